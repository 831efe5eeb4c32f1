bytearray(2**31)
#> outcome: ["memory_limit", "failure"]
#> error_type: ["", null, "MemoryError", "OverflowError"]
