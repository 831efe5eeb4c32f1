raise ValueError("é" * 50_000_000)
#> class: "host denial of service"
#> outcome: ["failure", "memory_limit"]
