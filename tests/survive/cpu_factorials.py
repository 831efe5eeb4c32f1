import math

math.factorial(5_000_000)
#> class: "host denial of service"
#> outcome: ["cpu_limit"]
#> limits: {"max_cpu_seconds": 0.5}
