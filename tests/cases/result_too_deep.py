result = {}
for level in range(100):
    result = {"in": result}
print("built")
_ = result
#> outcome: "failure"
#> error: "ValueError: Return value is nested deeper than 100 levels"
#> value: null
#> stdout: "built\n"
