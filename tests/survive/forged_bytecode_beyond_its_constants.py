import types
from operator import attrgetter

RESUME, LOAD_CONST, RETURN_VALUE = 149, 83, 36
code = attrgetter("__code__")(lambda: 1)
for index in range(256):
    forged = code.replace(co_code=bytes([RESUME, 0, LOAD_CONST, index, RETURN_VALUE, 0]), co_consts=())
    try:
        repr(types.FunctionType(forged, {})())
    except BaseException:
        pass
#> class: "escape"
#> outcome: ["failure", "completed", "cpu_limit", "memory_limit"]
#> limits: {"max_cpu_seconds": 0.5}
