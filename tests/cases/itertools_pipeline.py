import itertools as it

readings = [("hall", 20), ("hall", 22), ("bath", 23), ("hall", 19)]
grouped = [(room, [v for _, v in group]) for room, group in it.groupby(sorted(readings), key=lambda r: r[0])]
[
    grouped,
    list(it.accumulate([1, 2, 3], initial=10)),
    list(it.pairwise("abc")),
    ["".join(p) for p in it.permutations("abc", 2)],
    list(it.islice(it.count(5, 5), 3)),
    list(it.zip_longest([1, 2], "a", fillvalue="-")),
    list(it.chain.from_iterable([[1], [2, 3]])),
    len(list(it.product("ab", repeat=3))),
    list(it.takewhile(lambda n: n < 3, it.cycle([1, 2, 3]))),
    list(it.compress("lamp", [1, 0, 0, 1])),
]
#> value: [[["bath", [23]], ["hall", [19, 20, 22]]], [10, 11, 13, 16], [["a", "b"], ["b", "c"]], ["ab", "ac", "ba", "bc", "ca", "cb"], [5, 10, 15], [[1, "a"], [2, "-"]], [1, 2, 3], 8, [1, 2], ["l", "p"]]
