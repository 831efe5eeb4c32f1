{(n, str(n)) for n in range(10**9)}
#> outcome: ["memory_limit"]
#> limits: {"max_memory_mb": 40}
