import os

while True:
    os.write(1, b"")
#> class: "peer denial of service"
#> outcome: ["cpu_limit"]
#> limits: {"max_cpu_seconds": 0.5}
