try:
    raise SystemExit(0)
finally:
    while True:
        pass
#> class: "host denial of service"
#> outcome: ["cpu_limit"]
#> limits: {"max_cpu_seconds": 0.5}
