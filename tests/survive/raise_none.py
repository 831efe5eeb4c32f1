raise None
#> class: "self denial of service"
#> outcome: ["failure"]
#> error_type: ["TypeError"]
