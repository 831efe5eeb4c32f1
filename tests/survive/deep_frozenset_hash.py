nested = frozenset()
for _ in range(20_000):
    nested = frozenset([nested, 1])
other = frozenset([nested]) | {nested}
nested == frozenset(list(nested))
#> class: "host denial of service"
#> outcome: ["completed"]
#> value: true
