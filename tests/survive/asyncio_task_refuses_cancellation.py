import asyncio


async def stubborn():
    while True:
        try:
            await asyncio.sleep(0.001)
        except asyncio.CancelledError:
            pass


task = asyncio.create_task(stubborn())
await asyncio.sleep(0)
"done"
#> class: "host denial of service"
#> outcome: ["timeout", "cpu_limit"]
#> limits: {"timeout": 0.5}
