import asyncio
import collections
import json
import random
import statistics

found = []
for module in (json, asyncio.events, statistics, random, collections):
    for name in ("codecs", "s" + "ys", "_sys", "_os", "subprocess", "_" + "_spec_" + "_", "contextvars", "socket"):
        try:
            found.append(getattr(module, name))
        except AttributeError:
            pass
len(found)
#> class: "escape"
#> outcome: ["completed"]
#> value: 13
#> guarded_value: 0
