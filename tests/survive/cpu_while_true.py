print("before", end="")
while True:
    pass
#> class: "host denial of service"
#> outcome: ["cpu_limit"]
#> stdout_starts: "before"
#> limits: {"max_cpu_seconds": 0.5}
