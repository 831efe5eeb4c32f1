import asyncio

print("waiting")
await asyncio.Event().wait()
#> outcome: "failure"
#> error: "RuntimeError: deadlock: all tasks are waiting and nothing can wake them"
#> line: 4
#> stdout: "waiting\n"
#> value: null
