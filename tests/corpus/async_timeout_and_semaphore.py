import asyncio


async def limited(semaphore, n, running, peak):
    async with semaphore:
        running.append(n)
        peak.append(len(running))
        await asyncio.sleep(0.001)
        running.remove(n)
        return n


async def main():
    semaphore, running, peak = asyncio.Semaphore(2), [], []
    results = await asyncio.gather(*(limited(semaphore, n, running, peak) for n in range(6)))
    print(results, max(peak))
    try:
        async with asyncio.timeout(0.01):
            await asyncio.sleep(10)
    except TimeoutError:
        print("timed out")
    results = await asyncio.gather(asyncio.sleep(0, 1), fail(), return_exceptions=True)
    print(results[0], repr(results[1]))


async def fail():
    raise ValueError("no")


asyncio.run(main())
#> stdout: "[0, 1, 2, 3, 4, 5] 2\ntimed out\n1 ValueError('no')\n"
