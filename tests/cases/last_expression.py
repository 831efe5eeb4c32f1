import math

radius = 1.5
math.floor(radius)
round(math.pi * radius**2, 3)
#> value: 7.069
#> repr: false
#> stdout: ""
