class Same:
    def __eq__(self, other):
        return other == self

    def __hash__(self):
        return hash(self)

    def __lt__(self, other):
        return other < self

    def __bool__(self):
        return not self


caught = 0
for attempt in (lambda: Same() == Same(), lambda: hash(Same()), lambda: {Same(): 1}, lambda: sorted([Same(), Same()]), lambda: [Same()].index(Same()), lambda: bool(Same())):
    try:
        attempt()
    except RecursionError:
        caught += 1
caught
#> class: "host denial of service"
#> outcome: ["completed"]
#> value: 6
