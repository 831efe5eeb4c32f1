class Noisy:
    def __del__(self):
        raise ValueError("x" * 1000)


for _ in range(5000):
    Noisy()
"alive"
#> outcome: ["completed"]
#> value: "alive"
