import asyncio


async def read(sensor):
    await asyncio.sleep(0)
    raise ConnectionError(f"{sensor} is offline")


async def main():
    print("reading")
    await asyncio.gather(read("hall"), asyncio.sleep(60))


asyncio.run(main())
#> outcome: "failure"
#> error: "ConnectionError: hall is offline"
#> line: 6
#> stdout: "reading\n"
