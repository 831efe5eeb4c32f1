_ = "first"
for _ in range(3):
    pass
#> value: 2
