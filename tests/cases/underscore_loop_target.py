total = 0
for _ in range(3):
    total += 10
total
#> value: 30
