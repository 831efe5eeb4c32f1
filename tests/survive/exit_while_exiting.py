try:
    raise SystemExit(0)
finally:
    raise SystemExit(2**70)
#> class: "self denial of service"
#> outcome: ["failure"]
#> error_type: ["SystemExit"]
