class Stuck:
    def __hash__(self):
        while True:
            pass


{Stuck(): 1}
#> class: "host denial of service"
#> outcome: ["cpu_limit"]
#> limits: {"max_cpu_seconds": 0.5}
