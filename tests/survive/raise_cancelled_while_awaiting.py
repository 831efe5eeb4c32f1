import asyncio

await asyncio.sleep(0)
asyncio.current_task().cancel()
await asyncio.sleep(10)
#> class: "self denial of service"
#> outcome: ["failure"]
#> error_type: ["CancelledError"]
