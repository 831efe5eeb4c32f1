kinds = int
for _ in range(100_000):
    kinds = (kinds,)
isinstance("text", kinds)
#> outcome: ["failure"]
#> error_type: ["RecursionError"]
