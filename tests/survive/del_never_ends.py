class Stuck:
    def __del__(self):
        while True:
            pass


stuck = Stuck()
del stuck
#> class: "host denial of service"
#> outcome: ["cpu_limit"]
#> limits: {"max_cpu_seconds": 0.5}
