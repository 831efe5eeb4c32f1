import itertools

iterator = iter([1])
for _ in range(2_000):
    iterator = filter(None, map(int, zip(enumerate(itertools.islice(itertools.accumulate(iterator), 9)))))
try:
    next(iterator)
except (RecursionError, TypeError):
    pass
_ = "alive"
#> class: "host denial of service"
#> outcome: ["completed", "failure"]
