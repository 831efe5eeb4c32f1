x = 1; x + 1; x = 10; x + 2; x = 20
#> value: 12
