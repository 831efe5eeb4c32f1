kept, small = [], []
try:
    while True:
        kept.append(bytes(1_000_000))
except MemoryError:
    pass
try:
    while True:
        small = [small, object()]
except MemoryError:
    pass
raise ValueError("with no memory left")
#> class: "host denial of service"
#> outcome: ["failure", "memory_limit"]
#> limits: {"max_memory_mb": 64}
