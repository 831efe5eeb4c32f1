{str(n): n for n in range(200_000)}
#> outcome: ["failure"]
#> error_type: ["ValueError"]
