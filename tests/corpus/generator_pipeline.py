import itertools
import sys
from collections import deque


def read(lines):
    for line in lines:
        yield line.rstrip("\n")


def numbers(lines):
    for number, line in enumerate(lines, 1):
        try:
            yield float(line)
        except ValueError:
            print(f"line {number}: skipped {line!r}", file=sys.stdout)


def moving_average(values, size):
    window = deque(maxlen=size)
    for value in values:
        window.append(value)
        if len(window) == size:
            yield sum(window) / size


lines = ["1\n", "2\n", "oops\n", "6\n", "3\n"]
print(list(moving_average(numbers(read(lines)), 2)))
print(list(itertools.islice(itertools.accumulate(itertools.count(1)), 5)))
print([(k, len(list(g))) for k, g in itertools.groupby("aaabccd")], list(itertools.batched("abcde", 2)))
#> stdout: "line 3: skipped 'oops'\n[1.5, 4.0, 4.5]\n[1, 3, 6, 10, 15]\n[('a', 3), ('b', 1), ('c', 2), ('d', 1)] [('a', 'b'), ('c', 'd'), ('e',)]\n"
#> host: "needs Python 3.12"
