class Link:
    def __init__(self, next):
        self.next = next

    def __del__(self):
        pass


chain = None
for _ in range(1000):
    chain = Link(chain)
del chain
"alive"
#> class: "host denial of service"
#> outcome: ["completed"]
#> value: "alive"
