from collections import deque

rooms = {"hall": 1, "bath": 2}
{
    "tuple": (1, (2, 3)),
    "set": {3, 1, 2},
    "frozenset": frozenset({"b", "a"}),
    "one": {1j},
    "range": range(2, 10, 3),
    "keys": rooms.keys(),
    "values": rooms.values(),
    "items": rooms.items(),
    "deque": deque([1, 2, 3], maxlen=2),
    "empty": [(), set(), [], {}],
}
#> value: {"tuple": [1, [2, 3]], "set": [1, 2, 3], "frozenset": ["a", "b"], "one": ["1j"], "range": [2, 5, 8], "keys": ["hall", "bath"], "values": [1, 2], "items": [["hall", 1], ["bath", 2]], "deque": [2, 3], "empty": [[], [], [], {}]}
#> repr: false
