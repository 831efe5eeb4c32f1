pow(3**50_000, 5**50_000, 7**50_000)
#> class: "host denial of service"
#> outcome: ["cpu_limit"]
#> limits: {"max_cpu_seconds": 0.5}
