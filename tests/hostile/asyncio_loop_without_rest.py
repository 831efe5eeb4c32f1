import asyncio

while True:
    await asyncio.sleep(0)
#> outcome: ["cpu_limit"]
#> limits: {"max_cpu_seconds": 0.5}
