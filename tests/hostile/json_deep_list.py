import json

print("before", end="")
json.loads("[" * 100_000)
#> outcome: ["failure"]
#> error_type: ["RecursionError"]
#> stdout_starts: "before"
