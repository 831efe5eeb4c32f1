[0] * 10**9
#> class: "host denial of service"
#> outcome: ["memory_limit", "failure"]
#> error_type: ["", null, "MemoryError"]
