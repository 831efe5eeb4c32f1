import time

while True:
    time.sleep(0)
#> class: "peer denial of service"
#> outcome: ["timeout", "cpu_limit"]
#> limits: {"timeout": 0.5}
