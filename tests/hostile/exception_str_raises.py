class Broken(Exception):
    def __str__(self):
        raise self


raise Broken
#> outcome: ["failure"]
#> error_type: ["Broken"]
