import asyncio
from operator import attrgetter

modules = attrgetter("events.sys.modules")(asyncio)
modules["guest_values"].encode = lambda *_: (b'"' + b"x" * 20_000_000 + b'"', False)
"a value"
#> class: "self denial of service"
#> outcome: ["failure"]
