nested = ()
for _ in range(100_000):
    nested = (nested,)
print("before", end="")
hash(nested)
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["RecursionError"]
#> stdout_starts: "before"
