import timeit
import time


def concat(n):
    s = ""
    for i in range(n):
        s += str(i)
    return s


def joined(n):
    return "".join(map(str, range(n)))


assert concat(50) == joined(50)
seconds = timeit.timeit(lambda: joined(50), number=20)
more = timeit.timeit("''.join(map(str, range(10)))", number=10)
best = min(timeit.repeat("sum(range(10))", repeat=3, number=10))
start = time.perf_counter()
elapsed = timeit.default_timer() - start
print(all(x >= 0 for x in (seconds, more, best, elapsed)))
#> stdout: "True\n"
