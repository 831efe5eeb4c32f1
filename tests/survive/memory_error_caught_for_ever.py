kept = []
while True:
    try:
        kept.append(bytes(1_000_000))
    except MemoryError:
        pass
#> class: "host denial of service"
#> outcome: ["cpu_limit"]
#> limits: {"max_cpu_seconds": 0.5}
