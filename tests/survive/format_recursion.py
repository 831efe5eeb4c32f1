class Text:
    def __format__(self, spec):
        return "{:{}}".format(self, spec)

    def __str__(self):
        return "%s" % self


try:
    f"{Text():x}"
except RecursionError:
    str(Text())
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["RecursionError"]
