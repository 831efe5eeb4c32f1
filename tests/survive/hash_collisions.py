class Same:
    def __hash__(self):
        return 1


len({Same() for _ in range(100_000)})
#> class: "host denial of service"
#> outcome: ["cpu_limit"]
#> limits: {"max_cpu_seconds": 0.5}
