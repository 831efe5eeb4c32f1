import asyncio
from operator import attrgetter

attrgetter("events.sys.setrecursionlimit")(asyncio)(10**9)


def down(level):
    return down(level + 1)


down(0)
#> class: "host denial of service"
#> outcome: ["memory_limit", "failure"]
#> limits: {"max_memory_mb": 48}
