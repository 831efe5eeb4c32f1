class Loud:
    def __str__(self):
        print(self)
        return "loud"


print(Loud())
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["RecursionError"]
