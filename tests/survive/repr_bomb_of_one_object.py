class Bomb:
    def __repr__(self):
        return repr([self, self])


Bomb()
#> class: "host denial of service"
#> outcome: ["failure", "completed", "cpu_limit", "memory_limit"]
#> limits: {"max_cpu_seconds": 0.5}
