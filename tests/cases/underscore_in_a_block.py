try:
    for number in [1, 2, 3]:
        if number == 2:
            _ = {"found": number}
finally:
    "not this"
#> value: {"found": 2}
