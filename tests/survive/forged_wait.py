import asyncio
from operator import attrgetter

executor = attrgetter("run.__globals__")(asyncio)["_executor"]
for timeout in (0, 1, 1000, -(2**63), 2**63 - 1):
    executor.wait(timeout)
#> class: "peer denial of service"
#> outcome: ["timeout", "failure"]
#> limits: {"timeout": 0.5}
