import asyncio

future = asyncio.get_running_loop().create_future()
for _ in range(5000):
    future = asyncio.gather(asyncio.shield(future), return_exceptions=True)
future.cancel()
await asyncio.sleep(0)
#> class: "host denial of service"
#> outcome: ["failure", "completed"]
