nested = {}
for _ in range(100_000):
    nested = {"in": nested}
print(nested)
#> outcome: ["failure"]
#> error_type: ["RecursionError"]
