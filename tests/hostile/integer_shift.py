1 << 10**10
#> outcome: ["memory_limit", "failure"]
#> error_type: ["", null, "MemoryError", "OverflowError"]
