import asyncio
from operator import attrgetter

attrgetter("events.sys.modules")(asyncio).clear()
print("still here")
{1, 2, 3}
1 / 0
#> class: "self denial of service"
#> outcome: ["failure"]
