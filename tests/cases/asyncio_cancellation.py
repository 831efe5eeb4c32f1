import asyncio

log = []


async def watch():
    try:
        await asyncio.sleep(60)
    finally:
        log.append("cleaned up")


task = asyncio.create_task(watch())
await asyncio.sleep(0)
task.cancel("enough")
try:
    await task
except asyncio.CancelledError as error:
    log.append(str(error))
[log, task.cancelled()]
#> value: [["cleaned up", "enough"], true]
