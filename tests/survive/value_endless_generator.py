import itertools

[(n for n in itertools.count()), itertools.repeat("x")]
#> class: "host denial of service"
#> outcome: ["completed"]
