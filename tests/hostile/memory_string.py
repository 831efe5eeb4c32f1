print("before", end="")
text = "a" * 10**9
#> outcome: ["memory_limit"]
#> stdout_starts: "before"
