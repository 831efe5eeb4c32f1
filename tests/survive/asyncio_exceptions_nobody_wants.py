import asyncio


async def fail():
    raise ValueError("x" * 1000)


for _ in range(300):
    task = asyncio.create_task(fail())
    await asyncio.sleep(0)
    del task
"alive"
#> class: "host denial of service"
#> outcome: ["completed"]
#> value: "alive"
