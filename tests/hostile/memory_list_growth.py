kept = []
print("before", end="")
while True:
    kept.append(bytes(100_000))
#> outcome: ["memory_limit"]
#> stdout_starts: "before"
