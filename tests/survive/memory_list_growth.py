kept = []
print("before", end="")
while True:
    kept.append(bytes(100_000))
#> class: "host denial of service"
#> outcome: ["memory_limit"]
#> stdout_starts: "before"
