try:
    raise SystemExit(0)
finally:
    raise SystemExit(2**70)
#> outcome: ["failure"]
#> error_type: ["SystemExit"]
