readings = ["21.5", "22.0"]
try:
    sum(float(text) for text in readings)
except ValueError:
    "not a number"
#> value: 43.5
