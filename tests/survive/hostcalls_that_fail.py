import os

while True:
    try:
        os.write(7, b"x" * 65536)
    except OSError:
        pass
#> class: "peer denial of service"
#> outcome: ["cpu_limit"]
#> limits: {"max_cpu_seconds": 0.5}
