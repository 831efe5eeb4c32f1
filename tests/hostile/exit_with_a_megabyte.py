raise SystemExit("x" * 10**6)
#> outcome: ["failure"]
#> error_type: ["SystemExit"]
