raise ValueError("x" * 30_000_000)
#> outcome: ["failure"]
#> error_type: ["ValueError"]
