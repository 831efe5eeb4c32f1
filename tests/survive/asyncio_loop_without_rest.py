import asyncio

while True:
    await asyncio.sleep(0)
#> class: "host denial of service"
#> outcome: ["cpu_limit"]
#> limits: {"max_cpu_seconds": 0.5}
