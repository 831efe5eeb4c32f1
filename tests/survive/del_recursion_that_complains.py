class Link:
    def __init__(self, next):
        self.next = next

    def __del__(self):
        self.next = None


chain = None
for _ in range(100_000):
    chain = Link(chain)
del chain
#> class: "host denial of service"
#> outcome: ["cpu_limit", "completed", "failure"]
#> limits: {"max_cpu_seconds": 0.5}
