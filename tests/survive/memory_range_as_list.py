list(range(200_000_000))
#> class: "host denial of service"
#> outcome: ["memory_limit"]
