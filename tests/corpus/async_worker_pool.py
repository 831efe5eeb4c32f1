import asyncio
import random


async def worker(name, queue, results):
    while True:
        item = await queue.get()
        try:
            await asyncio.sleep(random.random() / 1000)
            results.append((item, item * item))
        finally:
            queue.task_done()


async def main():
    queue, results = asyncio.Queue(), []
    for n in range(10):
        queue.put_nowait(n)
    workers = [asyncio.create_task(worker(f"w{i}", queue, results)) for i in range(3)]
    await queue.join()
    for task in workers:
        task.cancel()
    await asyncio.gather(*workers, return_exceptions=True)
    return dict(sorted(results))


if __name__ == "__main__":
    print(asyncio.run(main()))
#> stdout: "{0: 0, 1: 1, 2: 4, 3: 9, 4: 16, 5: 25, 6: 36, 7: 49, 8: 64, 9: 81}\n"
