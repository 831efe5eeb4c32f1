value = (1,)
for _ in range(60):
    value = {"left": value, "right": frozenset([value]) if isinstance(value, tuple) else value}
value
#> class: "host denial of service"
#> outcome: ["failure", "cpu_limit"]
#> limits: {"max_cpu_seconds": 0.5}
