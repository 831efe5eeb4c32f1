class Exits(Exception):
    def __str__(self):
        raise SystemExit(0)

    __repr__ = __str__


raise Exits
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["Exits"]
