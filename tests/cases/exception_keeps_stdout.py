print("checking 0 lamps")
lamps_on = 3
print("still here", end="")
average = lamps_on / 0
print("never")
#> outcome: "failure"
#> error: "ZeroDivisionError: division by zero"
#> line: 4
#> stdout: "checking 0 lamps\nstill here"
#> value: null
