import json

nested = {}
for _ in range(50_000):
    nested = {"in": nested}
json.dumps(nested)
#> outcome: ["failure"]
#> error_type: ["RecursionError"]
