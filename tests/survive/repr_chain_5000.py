class Link:
    def __init__(self, next):
        self.next = next

    def __repr__(self):
        return f"<{self.next!r}>"


chain = None
for _ in range(5000):
    chain = Link(chain)
chain
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["RecursionError"]
