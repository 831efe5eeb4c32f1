class Meta(type):
    def __repr__(cls):
        return 42


class Kind(metaclass=Meta):
    pass


Kind
#> outcome: ["failure"]
#> error_type: ["TypeError"]
