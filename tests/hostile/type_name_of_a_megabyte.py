type("x" * 10**6, (), {})
#> outcome: ["completed", "failure"]
