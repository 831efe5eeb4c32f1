def report(first, /, second, *rest, unit="C", **extra):
    return [first, second, rest, unit, extra]


defaults = []


def remember(item, seen=defaults):
    seen.append(item)
    return len(seen)


try:
    report(first=1, second=2)
except TypeError as error:
    print("positional" in str(error))
[report(1, 2, 3, 4, unit="F", first=9), remember("a"), remember("b"), report(*"ab", **{"unit": "K"})]
#> value: [[1, 2, [3, 4], "F", {"first": 9}], 1, 2, ["a", "b", [], "K", {}]]
#> stdout: "True\n"
