# Code that the library compiles from strings of the program.
import collections
import dataclasses
import enum

caught = 0
for attempt in (
    lambda: collections.namedtuple("X", ["a=__import__('os')", "b"]),
    lambda: collections.namedtuple("X): pass\nimport os\nclass Y(", "a"),
    lambda: dataclasses.make_dataclass("X", ["a=__import__('os')"]),
    lambda: dataclasses.make_dataclass("X", [("a", "__import__('os')"), ("b): pass  #", int)]),
    lambda: enum.Enum("X", "__globals__ a.b"),
):
    try:
        attempt()
    except (ValueError, TypeError, AttributeError):
        caught += 1
caught
#> class: "escape"
#> outcome: ["completed"]
