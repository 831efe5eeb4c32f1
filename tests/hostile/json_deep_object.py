import json

json.loads('{"a":' * 50_000 + "1" + "}" * 50_000)
#> outcome: ["failure"]
#> error_type: ["RecursionError"]
