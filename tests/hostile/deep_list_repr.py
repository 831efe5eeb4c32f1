nested = []
for _ in range(100_000):
    nested = [nested]
str(nested)
#> outcome: ["failure"]
#> error_type: ["RecursionError"]
