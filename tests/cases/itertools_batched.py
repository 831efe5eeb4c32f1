import itertools
import math

week = [21, 22, 20, 19, 23, 24, 22]
[list(itertools.batched(week, 3)), math.sumprod([1, 2, 3], [4, 5, 6])]
#> value: [[[21, 22, 20], [19, 23, 24], [22]], 32]
#> host: "needs Python 3.12"
