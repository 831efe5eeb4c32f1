{"range": range(10**12)}
#> outcome: ["failure"]
#> error_type: ["ValueError"]
