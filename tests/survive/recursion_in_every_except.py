def again():
    try:
        again()
    except RecursionError:
        again()
    finally:
        again()


again()
#> class: "host denial of service"
#> outcome: ["cpu_limit", "failure"]
#> limits: {"max_cpu_seconds": 0.5}
