class Broken(Exception):
    def __str__(self):
        raise self


raise Broken
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["Broken"]
