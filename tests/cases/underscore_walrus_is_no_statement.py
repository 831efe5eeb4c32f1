if (_ := 5) > 3:
    "more than three"
#> value: "more than three"
