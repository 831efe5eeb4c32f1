import functools

caught = 0
by_sort = lambda n: sorted([n], key=by_sort)
by_map = lambda n: list(map(by_map, [n]))
by_reduce = lambda a, b=0: functools.reduce(by_reduce, [a, b])
by_max = lambda n: max([n, n], key=by_max)
by_filter = lambda n: list(filter(by_filter, [n]))
by_cache = functools.lru_cache(None)(lambda n: by_cache(n + 1))
by_compare = functools.cmp_to_key(lambda a, b: sorted([a, b], key=by_compare) and 0)
for attempt in (by_sort, by_map, by_reduce, by_max, by_filter, by_cache, lambda n: sorted([1, 2], key=by_compare)):
    try:
        attempt(1)
    except RecursionError:
        caught += 1
caught
#> class: "host denial of service"
#> outcome: ["completed"]
#> value: 7
