import asyncio


async def wrap(inner):
    return await inner


coroutine = asyncio.sleep(0)
for _ in range(10_000):
    coroutine = wrap(coroutine)
await coroutine
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["RecursionError"]
