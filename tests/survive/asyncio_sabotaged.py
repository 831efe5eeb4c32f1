import asyncio

loop = asyncio.get_running_loop()
loop.set_exception_handler(lambda *_: 1 / 0)
loop.call_soon(lambda: 1 / 0)
await asyncio.sleep(0)
loop.time = lambda: "never"
loop.stop()
loop.close = loop.select = None
await asyncio.sleep(0.001)
#> class: "host denial of service"
#> outcome: ["failure", "timeout"]
#> limits: {"timeout": 0.5}
