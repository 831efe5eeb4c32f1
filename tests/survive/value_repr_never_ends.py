class Kind:
    def __repr__(self):
        while True:
            pass


print("before", end="")
Kind()
#> class: "host denial of service"
#> outcome: ["cpu_limit"]
#> stdout_starts: "before"
#> limits: {"max_cpu_seconds": 0.5}
