value = 1
for _ in range(100_000):
    value = {1: value}
_ = value
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["ValueError", "RecursionError"]
