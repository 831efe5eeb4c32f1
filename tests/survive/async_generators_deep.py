async def wrap(inner):
    async for item in inner:
        yield item


async def source():
    yield 1


generator = source()
for _ in range(20_000):
    generator = wrap(generator)
async for item in generator:
    print(item)
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["RecursionError"]
