import numpy as np

a = np.array([3, 1, 2])
kinds = [
    a, np.arange(3), np.zeros(2, dtype=int), np.array([True]).sum(), a.cumsum(), np.argsort(a), a.argmax(), np.nonzero(a)[0],
    np.where(a > 1)[0], np.bincount(a), np.unique(a, return_counts=True)[1], np.unique(a, return_inverse=True)[1],
    np.searchsorted(a, [2]), np.digitize(a, [2]), np.histogram(a)[0], np.unravel_index(5, (2, 3))[0], np.count_nonzero(a),
    np.random.randint(5, size=2), np.random.default_rng(1).integers(5), np.indices((2, 2)), np.lexsort((a,)),
    np.add(1, 2), np.int_(3), np.strings.str_len(np.array(["abc"])), np.strings.find(np.array(["abc"]), "c"), np.ma.array(a).count(axis=0),
]  # fmt: skip
wrong = [number for number, each in enumerate(kinds) if each.dtype != np.int64]
[wrong, int(a.argmax() * 10**10 + (np.argsort(a) * 10**12).sum()), a[np.argsort(a)], np.repeat(a, a), np.take(a, [0, -1]), np.array([2**40, 1]).sum()]
#> value: [[], 3000000000000, [1, 2, 3], [3, 3, 3, 1, 2, 2], [3, 2], 1099511627777]
#> host: "needs numpy"
