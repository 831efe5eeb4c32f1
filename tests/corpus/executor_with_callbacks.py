import concurrent.futures
import asyncio

log = []
with concurrent.futures.ThreadPoolExecutor(max_workers=1, initializer=log.append, initargs=("init",)) as pool:
    future = pool.submit(lambda x, y=1: x / y, 10, y=4)
    future.add_done_callback(lambda f: log.append(f.result()))
    done, pending = concurrent.futures.wait([future, pool.submit(log.append, "b")])
print(sorted(map(str, log)), len(done), len(pending), future.done(), future.exception())


async def main():
    loop = asyncio.get_running_loop()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        return await asyncio.gather(*(loop.run_in_executor(pool, abs, -n) for n in range(3)))


print(asyncio.run(main()))
#> stdout: "['2.5', 'b', 'init'] 2 0 True None\n[0, 1, 2]\n"
