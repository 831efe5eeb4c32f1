from collections import OrderedDict, UserDict, deque

caught = 0
for kind in (dict, OrderedDict, UserDict):
    a, b = kind(), kind()
    a["x"], b["x"] = b, a
    try:
        a == b
    except RecursionError:
        caught += 1
a, b = deque(), deque()
a.append(b)
b.append(a)
try:
    a == b
except RecursionError:
    caught += 1
caught
#> class: "host denial of service"
#> outcome: ["completed"]
#> value: 4
