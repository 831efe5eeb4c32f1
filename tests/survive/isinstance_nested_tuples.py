kinds = int
for _ in range(100_000):
    kinds = (kinds,)
isinstance("text", kinds)
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["RecursionError"]
