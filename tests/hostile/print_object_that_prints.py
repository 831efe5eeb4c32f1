class Loud:
    def __str__(self):
        print(self)
        return "loud"


print(Loud())
#> outcome: ["failure"]
#> error_type: ["RecursionError"]
