{"\ud800": "\udc00", "\udcff": 1}
#> outcome: ["completed", "failure"]
