def wrap(inner):
    try:
        yield 1
        yield from inner
    finally:
        log.append(1)


log, generator = [], iter([1])
for _ in range(20_000):
    generator = wrap(generator)
    next(generator)
del generator
"alive"
#> class: "host denial of service"
#> outcome: ["completed", "failure"]
