import asyncio

tasks = [asyncio.create_task(asyncio.sleep(60)) for _ in range(10**6)]
await asyncio.sleep(0)
#> class: "host denial of service"
#> outcome: ["cpu_limit", "memory_limit"]
#> limits: {"max_memory_mb": 64, "max_cpu_seconds": 0.5}
