nested = ()
for _ in range(100_000):
    nested = (nested,)
repr(nested)
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["RecursionError"]
