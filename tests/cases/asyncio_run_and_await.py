import asyncio


async def double(number):
    await asyncio.sleep(0)
    return number * 2


first = asyncio.run(double(1))
second = await double(first)
third = asyncio.run(double(second))
with asyncio.Runner() as runner:
    fourth = runner.run(double(third))
[first, second, third, fourth]
#> value: [2, 4, 8, 16]
