def wrap(inner):
    yield from inner


generator = iter([1])
for _ in range(50_000):
    generator = wrap(generator)
next(generator)
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["RecursionError"]
