assert 2 + 2 == 5
#> outcome: "failure"
#> error: "AssertionError"
#> line: 1
