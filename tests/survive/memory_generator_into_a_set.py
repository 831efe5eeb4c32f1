{(n, str(n)) for n in range(10**9)}
#> class: "host denial of service"
#> outcome: ["memory_limit"]
#> limits: {"max_memory_mb": 56}
