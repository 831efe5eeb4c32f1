import asyncio
from operator import attrgetter

modules = attrgetter("events.sys.modules")(asyncio)
modules["guest_values"].encode = lambda *_: (b'1}, {"outcome": "\xff', False)
"a value"
#> class: "self denial of service"
#> outcome: ["failure"]
