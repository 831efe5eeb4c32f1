9**9**9
#> outcome: ["cpu_limit", "memory_limit"]
#> limits: {"max_cpu_seconds": 0.5}
