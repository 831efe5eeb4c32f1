raise MemoryError("no memory was refused")
#> class: "self denial of service"
#> outcome: ["failure"]
#> error_type: ["MemoryError"]
