class Key:
    def __repr__(self):
        return "k" * 20_000_000

    def __hash__(self):
        return 1

    def __eq__(self, other):
        raise KeyError(self)


{}[Key()]
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["KeyError"]
