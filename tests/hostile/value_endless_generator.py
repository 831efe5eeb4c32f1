import itertools

[(n for n in itertools.count()), itertools.repeat("x")]
#> outcome: ["completed"]
