import asyncio
from operator import attrgetter

attrgetter("events.sys.setprofile")(asyncio)(lambda *_: 1 / 0)
attrgetter("events.sys.settrace")(asyncio)(lambda *_: 1 / 0)
print("traced")
#> class: "self denial of service"
#> outcome: ["failure", "completed"]
