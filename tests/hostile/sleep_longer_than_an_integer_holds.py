import asyncio

await asyncio.sleep(1e30)
#> outcome: ["timeout", "failure"]
#> limits: {"timeout": 0.5}
