import asyncio


async def leave():
    await asyncio.sleep(0)
    raise SystemExit(5)


async with asyncio.TaskGroup() as group:
    group.create_task(leave())
    group.create_task(asyncio.sleep(60))
#> class: "self denial of service"
#> outcome: ["failure"]
#> error_type: ["SystemExit", "BaseExceptionGroup"]
