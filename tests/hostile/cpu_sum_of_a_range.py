sum(range(10**12))
#> outcome: ["cpu_limit"]
#> limits: {"max_cpu_seconds": 0.5}
