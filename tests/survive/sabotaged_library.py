import asyncio
import json
from operator import attrgetter

modules = attrgetter("events.sys.modules")(asyncio)
for name in ("traceback", "linecache", "json", "guest_failure", "guest_hints", "guest_values", "guest_program"):
    for key, value in list(attrgetter("__dict__")(modules[name]).items()):
        if callable(value):
            setattr(modules[name], key, lambda *_, **__: 1 / 0)
raise ValueError("and now?")
#> class: "self denial of service"
#> outcome: ["failure"]
