import asyncio
from operator import attrgetter

executor = attrgetter("run.__globals__")(asyncio)["_executor"]
for number in (*range(2000), 2**31, 2**32 - 1):
    executor.call(b'{"cancel":%d}' % number)
number = executor.call(b'{"tool": "data.get_devices", "arguments": {}}')
for _ in range(3):
    executor.call(b'{"cancel":%d}' % number)
executor.wait(1000)
#> class: "self denial of service"
#> outcome: ["completed"]
#> value: []
