countdown = 3
while countdown:
    countdown -= 1
    countdown * 10
else:
    "lift off"
#> value: "lift off"
