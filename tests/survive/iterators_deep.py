import itertools

iterator = iter([1])
for _ in range(400_000):
    iterator = itertools.chain(iterator, [])
print("before", end="")
next(iterator)
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["RecursionError"]
#> stdout_starts: "before"
