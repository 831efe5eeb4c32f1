value = 1
for _ in range(100_000):
    value = {1: value}
_ = value
#> outcome: ["failure"]
#> error_type: ["ValueError", "RecursionError"]
