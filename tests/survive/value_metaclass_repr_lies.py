class Meta(type):
    def __repr__(cls):
        return 42


class Kind(metaclass=Meta):
    pass


Kind
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["TypeError"]
