"earlier"
0
[]
""
False
#> value: false
