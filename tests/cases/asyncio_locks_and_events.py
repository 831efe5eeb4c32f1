import asyncio

lock, door, free = asyncio.Lock(), asyncio.Event(), asyncio.Semaphore(2)
log, most, now = [], 0, 0


async def enter(name):
    global most, now
    await door.wait()
    async with free:
        now += 1
        most = max(most, now)
        async with lock:
            log.append(name)
            await asyncio.sleep(0.001)
        now -= 1


tasks = [asyncio.create_task(enter(name)) for name in "abcd"]
await asyncio.sleep(0)
before = list(log)
door.set()
done, pending = await asyncio.wait(tasks)
[before, sorted(log), most, len(done), len(pending)]
#> value: [[], ["a", "b", "c", "d"], 2, 4, 0]
