import itertools

first, second = itertools.tee(iter(range(200_000)))
for _ in first:
    pass
nested = second
for _ in range(50_000):
    nested = itertools.tee(nested, 2)[1]
del first, second, nested
"alive"
#> class: "host denial of service"
#> outcome: ["completed", "failure"]
