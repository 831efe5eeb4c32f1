import asyncio
from operator import attrgetter

executor = attrgetter("run.__globals__")(asyncio)["_executor"]
while True:
    try:
        executor.call(b'{"tool": "data.get_devices", "arguments": {}}')
    except RuntimeError:
        pass
#> class: "peer denial of service"
#> outcome: ["cpu_limit"]
#> limits: {"max_cpu_seconds": 0.5}
