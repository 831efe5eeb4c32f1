import asyncio


async def produce(queue, sensors):
    for sensor in sensors:
        await queue.put(sensor)
        await asyncio.sleep(0)


async def consume(queue, seen):
    while True:
        seen.append((await queue.get()).title())
        queue.task_done()


queue, seen = asyncio.Queue(maxsize=2), []
workers = [asyncio.create_task(consume(queue, seen)) for _ in range(2)]
await produce(queue, ["hall", "bath", "attic", "roof", "cellar"])
await queue.join()
for worker in workers:
    worker.cancel()
await asyncio.gather(*workers, return_exceptions=True)
sorted(seen)
#> value: ["Attic", "Bath", "Cellar", "Hall", "Roof"]
