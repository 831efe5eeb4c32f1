while True:
    try:
        while True:
            pass
    except BaseException:
        continue
    finally:
        continue
#> class: "host denial of service"
#> outcome: ["cpu_limit"]
#> limits: {"max_cpu_seconds": 0.5}
