import json

json.loads('{"a":' * 50_000 + "1" + "}" * 50_000)
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["RecursionError"]
