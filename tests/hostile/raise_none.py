raise None
#> outcome: ["failure"]
#> error_type: ["TypeError"]
