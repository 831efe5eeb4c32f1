error = None
for n in range(100_000):
    cause, error = error, ValueError(n)
    error.__cause__ = cause
raise error
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["ValueError"]
