import asyncio


async def main():
    await asyncio.sleep(0.001)
    print("done")
    return {"lamps": 3}


if __name__ == "__main__":
    asyncio.run(main())
#> value: {"lamps": 3}
#> stdout: "done\n"
