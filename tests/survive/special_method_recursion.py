class Endless:
    def __getitem__(self, index):
        return self[index]

    def __len__(self):
        return len(self)

    def __iter__(self):
        return iter(self)

    def __contains__(self, item):
        return item in self

    def __index__(self):
        return range(self)[0]

    def __add__(self, other):
        return self + other


x, caught = Endless(), 0
for attempt in (lambda: x[0], lambda: len(x), lambda: list(x), lambda: 1 in x, lambda: [1][x], lambda: x + 1, lambda: max(*x), lambda: [*x]):
    try:
        attempt()
    except RecursionError:
        caught += 1
caught
#> class: "host denial of service"
#> outcome: ["completed"]
#> value: 8
