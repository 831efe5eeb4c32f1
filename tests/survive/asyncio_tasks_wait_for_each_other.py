import asyncio

tasks = []


async def wait(index):
    await tasks[index]


tasks += [asyncio.create_task(wait(1)), asyncio.create_task(wait(0))]
await asyncio.gather(*tasks)
#> class: "host denial of service"
#> outcome: ["failure"]
