1 << 5_000_000
#> class: "host denial of service"
#> outcome: ["failure", "cpu_limit"]
