import time

while True:
    time.time(), time.monotonic(), time.process_time()
#> class: "peer denial of service"
#> outcome: ["cpu_limit"]
#> limits: {"max_cpu_seconds": 0.5}
