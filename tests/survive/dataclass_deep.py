from dataclasses import asdict, dataclass


@dataclass
class Node:
    child: object = None


a, b = Node(), Node()
for _ in range(20_000):
    a, b = Node(a), Node(b)
caught = 0
for attempt in (lambda: asdict(a), lambda: repr(a), lambda: a == b):
    try:
        attempt()
    except RecursionError:
        caught += 1
_ = a if caught == 3 else caught
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["ValueError", "RecursionError"]
