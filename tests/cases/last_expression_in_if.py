temperature = 23
if temperature > threshold:
    "cool"
elif temperature > 18:
    "leave it"
else:
    "heat"
#> context: {"threshold": 25}
#> value: "leave it"
