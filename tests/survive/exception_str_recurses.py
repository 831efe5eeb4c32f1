class Endless(Exception):
    def __str__(self):
        return str(self)


raise Endless
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["Endless"]
