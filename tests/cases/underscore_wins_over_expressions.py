_ = "assigned"
"an expression after it"
#> value: "assigned"
