raise SystemExit("x" * 10**6)
#> class: "self denial of service"
#> outcome: ["failure"]
#> error_type: ["SystemExit"]
