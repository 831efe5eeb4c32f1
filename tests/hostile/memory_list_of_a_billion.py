[0] * 10**9
#> outcome: ["memory_limit", "failure"]
#> error_type: ["", null, "MemoryError"]
