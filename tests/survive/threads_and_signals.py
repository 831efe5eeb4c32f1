import asyncio
from operator import attrgetter

for path, arguments in (("threading._start_new_thread", (print, ())), ("sys.modules.get", ("_thread",))):
    try:
        attrgetter("events." + path)(asyncio)(*arguments)
    except (RuntimeError, AttributeError, OSError):
        pass
signal = attrgetter("runners.signal")(asyncio)
signal.raise_signal(11)
#> class: "escape"
#> outcome: ["failure", "completed"]
