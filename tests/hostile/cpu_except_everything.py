while True:
    try:
        while True:
            pass
    except BaseException:
        continue
    finally:
        continue
#> outcome: ["cpu_limit"]
#> limits: {"max_cpu_seconds": 0.5}
