import collections
import itertools

collections.deque(itertools.count(), maxlen=0)
#> class: "host denial of service"
#> outcome: ["cpu_limit"]
#> limits: {"max_cpu_seconds": 0.5}
