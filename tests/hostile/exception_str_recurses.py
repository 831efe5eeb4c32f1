class Endless(Exception):
    def __str__(self):
        return str(self)


raise Endless
#> outcome: ["failure"]
#> error_type: ["Endless"]
