class Meta(type):
    def __instancecheck__(self, instance):
        return isinstance(instance, self)

    def __subclasscheck__(self, subclass):
        return issubclass(subclass, self)


class Kind(metaclass=Meta):
    pass


try:
    isinstance(1, Kind)
except RecursionError:
    issubclass(int, Kind)
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["RecursionError"]
