class Stuck:
    def __del__(self):
        while True:
            pass


stuck = Stuck()
del stuck
#> outcome: ["cpu_limit"]
#> limits: {"max_cpu_seconds": 0.5}
