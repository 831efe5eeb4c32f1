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
#> outcome: ["cpu_limit"]
#> limits: {"max_cpu_seconds": 0.5}
