import asyncio


async def swallow():
    while True:
        try:
            await asyncio.sleep(0)
        except BaseException:
            pass
        finally:
            asyncio.ensure_future(swallow())


while True:
    try:
        await asyncio.gather(*(swallow() for _ in range(100)))
    except BaseException:
        pass
#> class: "host denial of service"
#> outcome: ["cpu_limit", "timeout", "memory_limit"]
#> limits: {"max_cpu_seconds": 0.5}
