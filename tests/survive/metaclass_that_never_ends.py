class Meta(type):
    def mro(cls):
        while len(made) < 10**9:
            made.append(type("X", (), {}))
        return type.mro(cls)


made = []


class Stuck(metaclass=Meta):
    pass
#> class: "host denial of service"
#> outcome: ["cpu_limit", "memory_limit"]
#> limits: {"max_cpu_seconds": 0.5}
