1 << 5_000_000
#> outcome: ["failure", "cpu_limit"]
