import asyncio
from operator import attrgetter

modules = attrgetter("events.sys.modules")(asyncio)
modules["guest_failure"].encode = lambda *_: b'{"type": "\\ud800", "message": "", "line": -1, "column": 99999999999, "hint": [], "traceback": 1}'
1 / 0
#> class: "self denial of service"
#> outcome: ["failure"]
