from fractions import Fraction

(Fraction(10, 7) ** 3_000_000) ** 100
#> class: "host denial of service"
#> outcome: ["cpu_limit", "memory_limit"]
#> limits: {"max_cpu_seconds": 0.5}
