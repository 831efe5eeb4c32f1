import asyncio

order = []


async def switch(lamp, delay):
    await asyncio.sleep(delay)
    order.append(lamp)
    return lamp.upper()


async with asyncio.TaskGroup() as group:
    tasks = [group.create_task(switch(lamp, delay)) for lamp, delay in [("a", 0.02), ("b", 0.01)]]
[[task.result() for task in tasks], order]
#> value: [["A", "B"], ["b", "a"]]
