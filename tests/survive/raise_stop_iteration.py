import asyncio

await asyncio.sleep(0)
raise StopIteration("stop")
#> class: "self denial of service"
#> outcome: ["failure"]
