temperature = 21.5
print(temprature)
#> outcome: "failure"
#> error: "NameError: name 'temprature' is not defined"
#> line: 2
#> hint_contains: "temperature"
#> host: "needs Python 3.12"
