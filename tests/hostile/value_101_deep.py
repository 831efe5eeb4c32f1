value = 1
for _ in range(101):
    value = (value,)
_ = value
#> outcome: ["failure"]
#> error_type: ["ValueError"]
