class Endless(ExceptionGroup):
    def derive(self, excs):
        return Endless("again", [Endless("inner", excs)])

    def split(self, condition):
        return self, self


while True:
    try:
        raise Endless("group", [ValueError(1)])
    except* ValueError:
        pass
    except* TypeError:
        pass
#> class: "host denial of service"
#> outcome: ["cpu_limit", "failure"]
#> limits: {"max_cpu_seconds": 0.5}
