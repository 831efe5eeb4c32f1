import os

while True:
    os.mkdir("d")
    os.chdir("d")
#> class: "self denial of service"
#> outcome: ["failure", "cpu_limit", "timeout", "memory_limit"]
#> limits: {"max_cpu_seconds": 2}
