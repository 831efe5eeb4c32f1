import asyncio

log = []


async def slow():
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        log.append("slow was cancelled")
        raise


async def broken():
    await asyncio.sleep(0.001)
    raise KeyError("lamp")


try:
    async with asyncio.TaskGroup() as group:
        group.create_task(slow())
        group.create_task(broken())
except* KeyError as errors:
    log.append(repr(errors.exceptions[0]))
log
#> value: ["slow was cancelled", "KeyError('lamp')"]
