import asyncio


async def fail():
    raise ValueError("nobody asked")


task = asyncio.create_task(fail())
await asyncio.sleep(0.001)
del task
"went on"
#> value: "went on"
#> stderr_contains: "ValueError: nobody asked"
