import json

nested = {}
for _ in range(50_000):
    nested = {"in": nested}
json.dumps(nested)
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["RecursionError"]
