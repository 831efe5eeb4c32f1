import functools


@functools.singledispatch
def describe(value):
    return "thing"


@describe.register
def _(value: int):
    return "number"


@describe.register(list)
def _(value):
    return [describe(item) for item in value]


@functools.total_ordering
class Level:
    def __init__(self, n):
        self.n = n

    def __eq__(self, other):
        return self.n == other.n

    def __lt__(self, other):
        return self.n < other.n


class Lamp:
    @functools.cached_property
    def name(self):
        print("looked up")
        return "hall"


lamp = Lamp()
[describe([1, "x"]), Level(2) >= Level(1), lamp.name + lamp.name]
#> value: [["number", "thing"], true, "hallhall"]
#> stdout: "looked up\n"
