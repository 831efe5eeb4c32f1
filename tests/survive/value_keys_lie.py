class Key:
    def __init__(self, n):
        self.n = n

    def __str__(self):
        return "same" * 100_000 if self.n else str(self)


{Key(1): 1, Key(0): 2}
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["RecursionError"]
