import asyncio

loop = asyncio.get_running_loop()
called = []
loop.call_later(0.02, called.append, "later")
loop.call_soon(called.append, "soon")
handle = loop.call_later(0.01, called.append, "never")
handle.cancel()
started = loop.time()
future = loop.create_future()
loop.call_later(0.03, future.set_result, "set")
result = await future
[called, result, loop.time() - started >= 0.029]
#> value: [["soon", "later"], "set", true]
