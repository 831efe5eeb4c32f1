import asyncio
from operator import attrgetter

executor = attrgetter("run.__globals__")(asyncio)["_executor"]
while True:
    try:
        executor.call(b'{"tool": "data.get_devices", "arguments": {}}')
    except RuntimeError:
        pass
#> outcome: ["cpu_limit"]
#> limits: {"max_cpu_seconds": 0.5}
