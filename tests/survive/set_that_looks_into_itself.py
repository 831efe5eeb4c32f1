# Each look-up scans a large empty table in one C loop, and then returns to the same set.
size = 700_000
other = set()
large = set(range(size))


class Element:
    def __hash__(self):
        return 5

    def __eq__(self, _):
        return large.issubset(other)


large.add(Element())
for number in range(size):
    large.discard(number)
other.update({5, 6, 7})
large <= other
#> class: "host denial of service"
#> outcome: ["cpu_limit"]
#> limits: {"max_cpu_seconds": 0.5}
