result = [n*n for n in range(5)]
_ = result
#> value: [0, 1, 4, 9, 16]
