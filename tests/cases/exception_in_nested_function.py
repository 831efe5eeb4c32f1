def celsius(reading):
    return float(reading["value"])


def average(readings):
    return sum(celsius(reading) for reading in readings) / len(readings)


average([{"value": "21"}, {"value": "off"}])
#> outcome: "failure"
#> error: "ValueError: could not convert string to float: 'off'"
#> line: 2
