average = float("nan")
{"nan": average, "up": float("inf"), "down": [-float("inf")], "fine": 0.0}
#> value: {"nan": null, "up": null, "down": [null], "fine": 0.0}
#> repr: false
