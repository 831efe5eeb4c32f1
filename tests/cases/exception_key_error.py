states = {"lamp": "on"}
"a value before it"
states["fan"]
#> outcome: "failure"
#> error: "KeyError: 'fan'"
#> line: 3
#> value: null
