class Chain:
    def __init__(self, next):
        self.next = next

    def __call__(self):
        return self.next()


chain = int
for _ in range(100_000):
    chain = Chain(chain)
chain()
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["RecursionError"]
