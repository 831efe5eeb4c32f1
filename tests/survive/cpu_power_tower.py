9**9**9
#> class: "host denial of service"
#> outcome: ["cpu_limit", "memory_limit"]
#> limits: {"max_cpu_seconds": 0.5}
