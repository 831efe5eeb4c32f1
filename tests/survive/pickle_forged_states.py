import array
import collections
import datetime
import decimal
import functools
import itertools
import pickle
import random
from random import Random

whole = [pickle.dumps(thing, 4) for thing in (datetime.datetime(2026, 1, 1), random.Random(1), array.array("d", [1.5]), collections.deque([1], 5), decimal.Decimal("1.5"), functools.partial(max, 1), bytearray(b"xyz"), collections.OrderedDict(a=1), range(5), itertools.count(3))]
for seed in range(4000):
    chance = Random(seed)
    forged = bytearray(whole[seed % len(whole)])
    for _ in range(3):
        forged[chance.randrange(2, len(forged))] = chance.randrange(256)
    try:
        repr(pickle.loads(bytes(forged)))[:100]
    except Exception:
        pass
#> class: "escape"
#> outcome: ["completed", "failure", "cpu_limit", "memory_limit"]
#> limits: {"max_cpu_seconds": 1}
