import asyncio

finished = []


async def read(sensor, delay):
    await asyncio.sleep(delay)
    finished.append(sensor)
    if sensor == "attic":
        raise ValueError("no signal")
    return len(sensor)


jobs = [read("hall", 0.03), read("attic", 0.02), read("bathroom", 0.01)]
lengths = await asyncio.gather(*jobs, return_exceptions=True)
[[str(length) for length in lengths], finished]
#> value: [["4", "no signal", "8"], ["bathroom", "attic", "hall"]]
