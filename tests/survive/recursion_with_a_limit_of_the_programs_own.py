import sys

sys.setrecursionlimit(10**9)


def down(level):
    return down(level + 1)


down(0)
#> class: "host denial of service"
#> outcome: ["memory_limit"]
#> limits: {"max_memory_mb": 48}
