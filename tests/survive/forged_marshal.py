import marshal
import types
from random import Random

whole = marshal.dumps((lambda a: [a, {"b": 1.5}, (a, 2**70)]).__code__)
print("before", end="", flush=True)
for seed in range(3000):
    chance = Random(seed)
    forged = bytearray(whole)
    for _ in range(4):
        forged[chance.randrange(len(forged))] = chance.randrange(256)
    try:
        types.FunctionType(marshal.loads(bytes(forged)), {})(seed)
    except Exception:
        pass
#> class: "escape"
#> outcome: ["failure", "completed", "cpu_limit", "memory_limit"]
#> stdout_starts: "before"
#> limits: {"max_cpu_seconds": 0.5}
