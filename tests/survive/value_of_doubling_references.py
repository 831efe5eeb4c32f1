value = "x"
for _ in range(60):
    value = [value, value]
value
#> class: "host denial of service"
#> outcome: ["failure", "cpu_limit"]
#> limits: {"max_cpu_seconds": 0.5}
