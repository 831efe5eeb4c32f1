import types
from operator import attrgetter
from random import Random

code = attrgetter("__code__")(lambda a: a + 1)
print("before", end="")
for seed in range(200):
    forged = code.replace(co_code=Random(seed).randbytes(64), co_consts=(), co_stacksize=1)
    try:
        types.FunctionType(forged, {})(seed)
    except BaseException:
        pass
#> class: "escape"
#> outcome: ["failure", "completed", "cpu_limit", "memory_limit", "timeout"]
#> limits: {"max_cpu_seconds": 0.5}
