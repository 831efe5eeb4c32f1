nested = {}
for _ in range(100_000):
    nested = {"in": nested}
print(nested)
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["RecursionError"]
