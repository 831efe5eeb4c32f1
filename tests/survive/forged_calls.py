import asyncio
from operator import attrgetter

executor = attrgetter("run.__globals__")(asyncio)["_executor"]
caught = 0
for payload in (b"", b"null", b"\xff\xfe", b"{}", b'{"tool":1,"arguments":{}}', b'{"tool":"x","arguments":[]}', b"[" * 100_000, bytes(1_000_000)):
    try:
        executor.call(payload)
    except RuntimeError:
        caught += 1
executor.call(b'{"tool": "data.get_devices", "arguments": {}}')
_ = [caught, len(executor.wait(-1))]
#> class: "peer denial of service"
#> outcome: ["completed", "failure"]
