raise ValueError("é" * 50_000_000)
#> outcome: ["failure", "memory_limit"]
