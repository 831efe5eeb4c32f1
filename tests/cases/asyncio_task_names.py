import asyncio


async def name():
    return asyncio.current_task().get_name()


async def main():
    return [await name(), await asyncio.create_task(name()), *(await asyncio.gather(name(), name()))]


asyncio.run(main())
#> value: ["Task-1", "Task-2", "Task-3", "Task-4"]
#> host: "a process that has not run tasks before"
