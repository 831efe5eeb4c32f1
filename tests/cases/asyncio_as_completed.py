import asyncio


async def read(room, delay):
    await asyncio.sleep(delay)
    return room


order = [await next_one for next_one in asyncio.as_completed([read("hall", 0.03), read("bath", 0.01)])]
done, pending = await asyncio.wait(
    [asyncio.create_task(read("a", 0.01)), asyncio.create_task(read("b", 60))],
    return_when=asyncio.FIRST_COMPLETED,
)
for task in pending:
    task.cancel()
blocking = await asyncio.to_thread(sum, [1, 2])
[order, [task.result() for task in done], blocking]
#> value: [["bath", "hall"], ["a"], 3]
