import asyncio


async def main(level):
    asyncio.run(main(level + 1))


asyncio.run(main(0))
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["RecursionError", "RuntimeError"]
