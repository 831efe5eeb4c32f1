import types
from random import Random


def tries(a):
    try:
        return 1 / a
    except ZeroDivisionError:
        return a
    finally:
        a += 1


for seed in range(2000):
    forged = tries.__code__.replace(co_exceptiontable=Random(seed).randbytes(24), co_stacksize=1)
    try:
        types.FunctionType(forged, {})(0)
    except Exception:
        pass
#> class: "escape"
#> outcome: ["failure", "completed", "cpu_limit", "memory_limit"]
#> limits: {"max_cpu_seconds": 0.5}
