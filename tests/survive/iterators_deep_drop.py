import itertools

iterator = iter([1])
for _ in range(100_000):
    iterator = itertools.chain(iterator, [])
print("before", end="")
del iterator
"alive"
#> class: "host denial of service"
#> outcome: ["completed", "failure"]
#> stdout_starts: "before"
