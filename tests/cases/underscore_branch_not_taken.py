if threshold > 100:
    _ = "too hot"
"normal"
#> context: {"threshold": 21}
#> value: "normal"
