import asyncio
from operator import attrgetter

system = attrgetter("events.sys")(asyncio)
system.stdout.write = lambda text: print(text)
system.stderr = system.displayhook = system.excepthook = None
system.stdout = 5
"x"
print("y")
#> class: "self denial of service"
#> outcome: ["failure", "completed"]
