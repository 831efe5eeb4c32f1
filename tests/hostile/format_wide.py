print("before", end="")
f"{1:>2000000000}"
#> outcome: ["memory_limit"]
#> stdout_starts: "before"
