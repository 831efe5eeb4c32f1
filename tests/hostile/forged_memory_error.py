raise MemoryError("no memory was refused")
#> outcome: ["failure"]
#> error_type: ["MemoryError"]
