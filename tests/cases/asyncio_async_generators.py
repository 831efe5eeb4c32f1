import asyncio
from contextlib import asynccontextmanager


async def readings(count):
    for number in range(count):
        await asyncio.sleep(0)
        yield number * 10


@asynccontextmanager
async def connection(name):
    yield name.upper()
    print("closed")


async with connection("bus") as bus:
    doubled = [value * 2 async for value in readings(3) if value]
    total = 0
    async for value in readings(5):
        if value > 20:
            break
        total += value
else_branch = {value: await asyncio.sleep(0, str(value)) async for value in readings(2)}
[bus, doubled, total, else_branch]
#> value: ["BUS", [20, 40], 30, {"0": "0", "10": "10"}]
#> stdout: "closed\n"
