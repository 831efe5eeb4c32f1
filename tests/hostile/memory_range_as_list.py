list(range(200_000_000))
#> outcome: ["memory_limit"]
