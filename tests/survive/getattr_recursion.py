class Mirror:
    def __getattr__(self, name):
        return getattr(self, name + "x")


class Property:
    @property
    def value(self):
        return self.value


try:
    Mirror().anything
except RecursionError:
    Property().value
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["RecursionError"]
