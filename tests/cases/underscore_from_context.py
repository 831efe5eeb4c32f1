_ + " from the caller"
#> context: {"_": "a value"}
#> value: "a value from the caller"
