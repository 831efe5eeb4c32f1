1 << 10**10
#> class: "host denial of service"
#> outcome: ["memory_limit", "failure"]
#> error_type: ["", null, "MemoryError", "OverflowError"]
