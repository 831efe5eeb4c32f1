import asyncio
import time
from operator import attrgetter

executor = attrgetter("run.__globals__")(asyncio)["_executor"]
payload = b'{"tool": "x", "arguments": {"a": ' + b"[" * 100 + b"]" * 100 + b"}}"


class Bottom:
    def __hash__(self):
        print("down here", flush=True)
        time.sleep(0)
        executor.call(payload)
        executor.wait(0)
        grown.append(bytes(70_000))
        return 1


grown, nested = [], Bottom()
for depth in range(100_000):
    nested = (nested,)
    if depth % (5000 if depth < 40_000 else 50) == 0:
        hash(nested)
#> class: "peer denial of service"
#> outcome: ["failure", "memory_limit"]
#> stdout_starts: "down here"
