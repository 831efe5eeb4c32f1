import asyncio


class Forever:
    def __await__(self):
        while True:
            yield None


class Odd:
    def __await__(self):
        yield "nonsense"


try:
    await Odd()
except RuntimeError:
    await Forever()
#> class: "host denial of service"
#> outcome: ["cpu_limit"]
#> limits: {"max_cpu_seconds": 0.5}
