from collections import Counter, OrderedDict, defaultdict, namedtuple
from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass
class Room:
    name: str
    sizes: tuple = ()
    tags: set = field(default_factory=set)


class Point(NamedTuple):
    x: int
    y: int


Pair = namedtuple("Pair", "left right")
grouped = defaultdict(list)
grouped["hall"].append(Point(1, 2))
[Room("hall", (2, 3), {"b", "a"}), Point(1, 2), Pair(1, None), Counter("abca"), grouped, OrderedDict(z=1, a=2)]
#> value: [{"name": "hall", "sizes": [2, 3], "tags": ["a", "b"]}, [1, 2], [1, null], {"a": 2, "b": 1, "c": 1}, {"hall": [[1, 2]]}, {"z": 1, "a": 2}]
#> repr: false
