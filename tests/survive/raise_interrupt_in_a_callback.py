import asyncio


def interrupt():
    raise KeyboardInterrupt


asyncio.get_running_loop().call_soon(interrupt)
await asyncio.sleep(60)
#> class: "self denial of service"
#> outcome: ["failure"]
#> error_type: ["KeyboardInterrupt"]
