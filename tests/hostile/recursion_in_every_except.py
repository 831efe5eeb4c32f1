def again():
    try:
        again()
    except RecursionError:
        again()
    finally:
        again()


again()
#> outcome: ["cpu_limit", "failure"]
#> limits: {"max_cpu_seconds": 0.5}
