import asyncio
from operator import attrgetter

builtins = attrgetter("events.sys.modules")(asyncio)["builtins"]
for name in ("str", "len", "type", "isinstance", "issubclass", "getattr", "list", "dict", "map", "min", "max", "all", "any", "repr", "next", "iter", "zip"):
    setattr(builtins, name, None)
{"a": {1j}}
#> class: "self denial of service"
#> outcome: ["failure", "completed"]
