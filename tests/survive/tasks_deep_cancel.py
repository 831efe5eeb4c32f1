import asyncio


async def wrap(inner):
    await inner


task = asyncio.create_task(asyncio.sleep(60))
for _ in range(1500):
    task = asyncio.create_task(wrap(task))
await asyncio.sleep(0)
task.cancel()
try:
    await task
except asyncio.CancelledError:
    pass
#> class: "host denial of service"
#> outcome: ["failure", "completed"]
