import asyncio


async def job(n):
    await asyncio.sleep(0)
    if n % 2:
        error = ValueError(f"job {n}")
        error.add_note("odd jobs fail")
        raise error
    return n


async def main():
    try:
        async with asyncio.TaskGroup() as group:
            for n in range(4):
                group.create_task(job(n))
    except* ValueError as group:
        print(sorted(str(e) for e in group.exceptions), group.exceptions[0].__notes__)
    try:
        raise ExceptionGroup("many", [TypeError(1), ExceptionGroup("inner", [KeyError("k")])])
    except* KeyError as group:
        print("keys", group.exceptions[0].exceptions)
    except* TypeError as group:
        print("types", len(group.exceptions))


asyncio.run(main())
#> stdout: "['job 1', 'job 3'] ['odd jobs fail']\nkeys (KeyError('k'),)\ntypes 1\n"
