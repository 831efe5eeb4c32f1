import asyncio
from operator import attrgetter

gc = attrgetter("events.sys.modules")(asyncio)["gc"]
gc.unfreeze()
gc.callbacks.append(lambda *_: 1 / 0)
everything = gc.get_objects()
gc.collect()
for thing in everything:
    if type(thing) is dict and "guest_" in str(thing.get("__name__")):
        thing.clear()
len(everything) > 1000
#> class: "self denial of service"
#> outcome: ["completed", "failure"]
