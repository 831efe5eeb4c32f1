while True:
    taken = bytearray(60 << 20)
    taken[:: 4096] = b"x" * len(taken[:: 4096])
    del taken
#> class: "peer denial of service"
#> outcome: ["cpu_limit"]
#> limits: {"max_cpu_seconds": 0.5}
