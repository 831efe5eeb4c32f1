import sys
from functools import cache

sys.setrecursionlimit(10_000)


@cache
def collatz(n):
    return 1 if n == 1 else 1 + collatz(n // 2 if n % 2 == 0 else 3 * n + 1)


def depth(tree):
    return 0 if tree is None else 1 + depth(tree[1])


chain = None
for value in range(3000):
    chain = (value, chain)
print(depth(chain), max(range(1, 2000), key=collatz))
#> stdout: "3000 1161\n"
