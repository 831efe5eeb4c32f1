import asyncio

try:
    async with asyncio.timeout(0.01):
        await asyncio.sleep(60)
except TimeoutError:
    print("gave up")
try:
    await asyncio.wait_for(asyncio.Event().wait(), timeout=0.01)
except asyncio.TimeoutError:
    print("again")
await asyncio.wait_for(asyncio.sleep(0, "in time"), timeout=5)
#> value: "in time"
#> stdout: "gave up\nagain\n"
