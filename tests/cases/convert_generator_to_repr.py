(n * n for n in range(3))
#> repr: true
