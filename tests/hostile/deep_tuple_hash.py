nested = ()
for _ in range(100_000):
    nested = (nested,)
print("before", end="")
hash(nested)
#> outcome: ["failure"]
#> error_type: ["RecursionError"]
#> stdout_starts: "before"
