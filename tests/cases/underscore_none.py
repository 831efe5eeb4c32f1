"an earlier value"
_ = None
#> value: null
