raise ExceptionGroup("many", [ExceptionGroup("x" * 100, [ValueError("y" * 100)] * 100) for _ in range(10_000)])
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["ExceptionGroup"]
