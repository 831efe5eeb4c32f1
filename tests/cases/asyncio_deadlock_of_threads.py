# There are no other threads: `result` blocks the only one, which would have to run the coroutine.
import asyncio


async def answer():
    return 42


async def main():
    loop = asyncio.get_running_loop()
    future = asyncio.run_coroutine_threadsafe(answer(), loop)
    try:
        future.result(timeout=0.01)
    except TimeoutError as error:
        print(type(error).__name__)
    return future.result()


await main()
#> outcome: "failure"
#> error: "RuntimeError: deadlock: all tasks are waiting and nothing can wake them"
#> line: 16
#> stdout: "TimeoutError\n"
#> host: "elsewhere it waits for ever"
