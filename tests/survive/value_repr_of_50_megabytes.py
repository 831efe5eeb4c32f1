class Kind:
    def __repr__(self):
        return "x" * 50_000_000


len(repr(Kind()))
[Kind()]
#> class: "host denial of service"
#> outcome: ["completed"]
