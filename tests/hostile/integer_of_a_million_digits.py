int("9" * 10**6)
#> outcome: ["failure"]
#> error_type: ["ValueError"]
