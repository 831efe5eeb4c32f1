import asyncio
import collections
import json
import random
import statistics

found = []
for module in (json, asyncio.events, statistics, random, collections):
    for name in ("_os", "subprocess", "_" + "_spec_" + "_", "signal", "socket", "threading"):
        try:
            found.append(getattr(module, name))
        except AttributeError:
            pass
# The view of `sys` has only a few names.
found += [name for name in ("modules", "_getframe", "meta_path") if hasattr(collections._sys, name)]
len(found)
#> class: "escape"
#> outcome: ["completed"]
#> value: 13
#> guarded_value: 0
