import asyncio

await asyncio.sleep(0)
raise StopIteration("stop")
#> outcome: ["failure"]
