class Link:
    def __init__(self, next):
        self.next = next


a, b, c, d, e = (), [], {}, Link(None), frozenset()
for _ in range(100_000):
    a, b, c, d, e = (a,), [b], {1: c}, Link(d), (n for n in [e])
del a, b, c, d, e
"alive"
#> class: "host denial of service"
#> outcome: ["completed"]
#> value: "alive"
