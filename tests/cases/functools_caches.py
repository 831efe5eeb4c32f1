import functools
import operator

calls = 0


@functools.lru_cache(maxsize=None)
def fibonacci(n):
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


@functools.cache
def slow(room):
    global calls
    calls += 1
    return room.upper()


slow("hall"), slow("hall")
[fibonacci(90), fibonacci.cache_info().hits, calls, functools.reduce(operator.mul, range(1, 6)), functools.partial(int, base=2)("101")]
#> value: [2880067194370816120, 88, 1, 120, 5]
