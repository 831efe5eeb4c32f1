a, b = (), ()
for _ in range(100_000):
    a, b = (a,), (b,)
a < b
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["RecursionError"]
