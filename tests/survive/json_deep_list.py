import json

print("before", end="")
json.loads("[" * 100_000)
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["RecursionError"]
#> stdout_starts: "before"
