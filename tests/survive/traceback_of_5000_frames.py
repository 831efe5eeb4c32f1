import asyncio
from operator import attrgetter

attrgetter("events.sys.setrecursionlimit")(asyncio)(10**6)


def down(level):
    if not level:
        raise ValueError("at the bottom " + "x" * 1000)
    function = lambda: down(level - 1)
    function()


down(5000)
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["ValueError"]
