def smoother(weight):
    average, closed = None, False
    try:
        while True:
            value = yield average
            average = value if average is None else average * weight + value * (1 - weight)
    except GeneratorExit:
        print("closed at", average)


def chained():
    result = yield from (n for n in range(2))
    yield result
    return "end"


smooth = smoother(0.5)
next(smooth)
values = [smooth.send(value) for value in (20, 22, 30)]
smooth.close()
_ = values + list(chained())
#> value: [20, 21.0, 25.5, 0, 1, null]
#> stdout: "closed at 25.5\n"
