class Noisy:
    def __del__(self):
        raise ValueError("x" * 1000)


for _ in range(5000):
    Noisy()
"alive"
#> class: "host denial of service"
#> outcome: ["completed"]
#> value: "alive"
