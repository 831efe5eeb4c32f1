import collections
import itertools

collections.deque(itertools.count(), maxlen=0)
#> outcome: ["cpu_limit"]
#> limits: {"max_cpu_seconds": 0.5}
