{n: n for n in range(10**6)}
#> class: "host denial of service"
#> outcome: ["failure", "memory_limit", "cpu_limit"]
#> limits: {"max_cpu_seconds": 1}
