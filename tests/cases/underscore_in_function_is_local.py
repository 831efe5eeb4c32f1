def measure():
    _ = "local"
    return 7


measure()
#> value: 7
