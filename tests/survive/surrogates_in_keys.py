{"\ud800": "\udc00", "\udcff": 1}
#> class: "self denial of service"
#> outcome: ["completed", "failure"]
