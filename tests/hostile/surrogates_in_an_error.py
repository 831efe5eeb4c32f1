raise ValueError("\ud800" * 1000 + "\udfff")
#> outcome: ["failure"]
#> error_type: ["ValueError"]
