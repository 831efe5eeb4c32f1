_ = 42
#> value: 42
