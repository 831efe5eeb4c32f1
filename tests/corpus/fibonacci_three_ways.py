import sys
import time
from functools import lru_cache


@lru_cache(maxsize=None)
def fib_memo(n):
    return n if n < 2 else fib_memo(n - 1) + fib_memo(n - 2)


def fib_iter(n):
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return a


def fib_gen():
    a, b = 0, 1
    while True:
        yield a
        a, b = b, a + b


start = time.time()
gen = fib_gen()
values = [next(gen) for _ in range(31)]
assert values[30] == fib_memo(30) == fib_iter(30)
print(values[:10], fib_memo(90), fib_memo.cache_info().hits)
assert time.time() - start < 60
sys.stdout.flush()
#> stdout: "[0, 1, 1, 2, 3, 5, 8, 13, 21, 34] 2880067194370816120 89\n"
