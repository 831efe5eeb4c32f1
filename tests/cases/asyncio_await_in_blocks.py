import asyncio

levels = {}
for room in ["hall", "bath"]:
    if await asyncio.sleep(0, room != "attic"):
        try:
            levels[room] = await asyncio.sleep(0, len(room))
        finally:
            await asyncio.sleep(0)
match await asyncio.sleep(0, levels):
    case {"hall": level}:
        [await asyncio.sleep(0, n) for n in range(level)]
#> value: [0, 1, 2, 3]
