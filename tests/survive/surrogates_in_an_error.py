raise ValueError("\ud800" * 1000 + "\udfff")
#> class: "self denial of service"
#> outcome: ["failure"]
#> error_type: ["ValueError"]
