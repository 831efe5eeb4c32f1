import itertools

list(itertools.product(range(10_000), repeat=5))
#> class: "host denial of service"
#> outcome: ["memory_limit", "cpu_limit"]
#> limits: {"max_cpu_seconds": 2}
