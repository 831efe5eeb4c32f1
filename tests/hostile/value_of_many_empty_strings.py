[""] * 5_000_000
#> outcome: ["failure"]
#> error_type: ["ValueError"]
