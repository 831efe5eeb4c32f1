import asyncio


async def read(sensor, delay):
    await asyncio.sleep(delay)
    return f"{sensor}: ok"


first = await read("hall", 0.01)
print(first)
await read("bath", 0)
#> value: "bath: ok"
#> stdout: "hall: ok\n"
