readings = ["21.5", "unavailable"]
try:
    sum(float(text) for text in readings)
except ValueError as error:
    str(error)
#> value: "could not convert string to float: 'unavailable'"
