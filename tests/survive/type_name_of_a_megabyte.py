type("x" * 10**6, (), {})
#> class: "host denial of service"
#> outcome: ["completed", "failure"]
