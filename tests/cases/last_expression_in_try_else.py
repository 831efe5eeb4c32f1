try:
    brightness = int("200")
except ValueError:
    "broken"
else:
    brightness / 255 > 0.5
finally:
    pass
#> value: true
