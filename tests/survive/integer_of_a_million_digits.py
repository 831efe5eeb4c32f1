int("9" * 10**6)
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["ValueError"]
