"""`asyncio.run` at module level in programs that may be asked for their stack: they end as they do otherwise."""

import contextlib
import io
import unittest

from . import executor, hidden_stderr, run

PRELUDE = "import asyncio, data\n"
# Each program, and how often it pauses at least.
PROGRAMS = {
    "a call": ("async def main():\n    return await data.get_devices()\nasyncio.run(main())", 1),
    "imported by name": ("from asyncio import run\nasync def main():\n    await asyncio.sleep(1)\n    return 7\n_ = run(main())", 1),
    "under a condition": ("async def main():\n    print(await data.get_devices())\nif __name__ == '__main__':\n    asyncio.run(main())\nprint('after')", 1),
    "twice, in a loop": ("async def main(n):\n    await asyncio.sleep(n)\n    return n\n[n for n in range(2)]\nfor n in (1, 2):\n    print(asyncio.run(main(n)))", 2),
    "all_tasks": ("""
async def worker(n):
    await asyncio.sleep(n)
    print("worker", n)
async def main():
    for n in range(3): asyncio.create_task(worker(n))
    tasks = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
    print(len(tasks), asyncio.current_task().get_coro().__name__)
    await asyncio.gather(*tasks)
asyncio.run(main())
""", 2),
    "cancelling all tasks": ("""
async def worker(n):
    try:
        await asyncio.sleep(10)
    except asyncio.CancelledError:
        print("cancelled")
        raise
async def main():
    for n in range(3): asyncio.create_task(worker(n))
    await asyncio.sleep(1)
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for t in tasks: t.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
asyncio.run(main())
print("after")
""", 1),
    "am I in a loop?": ("""
async def main():
    await asyncio.sleep(1)
    print("main ran")
try:
    loop = asyncio.get_running_loop()
except RuntimeError:
    loop = None
print(loop is None)
asyncio.run(main())
try:
    asyncio.get_running_loop()
except RuntimeError as e:
    print(e)
""", 1),
    "a background task exits": ("""
async def background():
    await asyncio.sleep(1)
    raise SystemExit(3)
async def main():
    task = asyncio.create_task(background())
    try:
        await asyncio.sleep(10)
    finally:
        print("main's finally")
try:
    asyncio.run(main())
except SystemExit as e:
    print("caught", e.code)
print("after")
""", 1),
    "an exit": ("async def main():\n    await asyncio.sleep(1)\n    raise SystemExit(0)\nasyncio.run(main())\nprint('never')", 1),
    "an exit of main": ("async def main():\n    try:\n        raise SystemExit(2)\n    finally:\n        print('fin')\ntry:\n    asyncio.run(main())\nexcept SystemExit as e:\n    print('caught', e.code)", 0),
    "an exception": ("async def main():\n    await asyncio.sleep(1)\n    raise ValueError('no')\ntry:\n    asyncio.run(main())\nfinally:\n    print('finally')", 1),
    "GeneratorExit": ("async def main():\n    raise GeneratorExit\ntry:\n    asyncio.run(main())\nexcept BaseException as e:\n    print(repr(e))\nasyncio.run(asyncio.sleep(0))", 0),
    "a timer that is left": ("async def main():\n    asyncio.get_running_loop().call_later(1, print, 'late')\nasync def other():\n    await asyncio.sleep(3)\nasyncio.run(main())\nasyncio.run(other())\nprint('end')", 1),
    "a task that is left": ("""
async def slow():
    try:
        await asyncio.sleep(10)
    except asyncio.CancelledError:
        await asyncio.sleep(1)
        print("slow cleanup")
async def main():
    global t
    t = asyncio.create_task(slow())
    await asyncio.sleep(0)
asyncio.run(main())
print(t.done(), t.cancelled())
""", 1),
    "a cleanup that fails": ("""
async def background():
    try:
        await asyncio.sleep(10)
    except asyncio.CancelledError:
        raise ValueError("in cleanup")
async def main():
    asyncio.create_task(background())
    await asyncio.sleep(0)
asyncio.run(main())
print("after")
""", 0),
    "names of tasks": ("async def main():\n    task = asyncio.create_task(asyncio.sleep(1))\n    print(asyncio.current_task().get_name()[:4], len(asyncio.all_tasks()))\n    await task\nasyncio.run(main())", 1),
    "no coroutine": ("def main(): return 1\ntry:\n    asyncio.run(main)\nexcept ValueError as e:\n    print(str(e)[:30])\ntry:\n    asyncio.run()\nexcept TypeError as e:\n    print('TypeError')\nasync def m(): return 3\nprint(asyncio.run(main=m()), asyncio.run(m(), debug=False))", 0),
    "a run in a function": ("async def main():\n    await asyncio.sleep(1)\n    return 4\ndef start():\n    return asyncio.run(main())\nstart()", 0),
    "an async generator that is left": ("""
async def numbers():
    try:
        yield 1
        yield 2
    finally:
        print("closed")
async def main():
    async for n in numbers():
        print(n)
        break
    await asyncio.sleep(1)
asyncio.run(main())
print("after")
""", 1),
    "forgotten calls": ("async def main():\n    data.get_devices()\n    await asyncio.sleep(1)\nasyncio.run(main())", 1),
    "a nested run": ("async def inner():\n    await asyncio.sleep(1)\n    return 5\nasync def main():\n    return asyncio.run(inner())\nasyncio.run(main())", 0),
}


class TestModuleRuns(unittest.TestCase):
    def setUp(self):
        executor.reset()
        executor.tools["data.get_devices"] = lambda arguments: (1, {"ok": ["lamp"]})

    def end_of(self, code, **others):
        """Returns everything that a caller sees of a program."""
        with hidden_stderr() as stderr:
            started = executor.now
            result = run(PRELUDE + code, **others)
        # Tracebacks of tasks have frames of the loop.
        lines = stderr.getvalue().splitlines()
        errors = [line for line in lines if not line.startswith((" ", "task:", "future:"))]
        return result, errors, round(executor.now - started, 6)

    def test_programs_end_as_without_pauses(self):
        for name, (code, pauses) in PROGRAMS.items():
            with self.subTest(name):
                ends = []
                for asks in (False, True):
                    executor.asks_for_stack, executor.pauses = asks, []
                    with contextlib.redirect_stdout(io.StringIO()) as stdout:
                        end = self.end_of(code, **({"parks": True} if asks else {}))
                    ends.append((end, stdout.getvalue()))
                self.assertEqual(*ends)
                self.assertGreaterEqual(len(executor.pauses), pauses)

    def test_other_programs_are_not_rewritten(self):
        executor.asks_for_stack = True
        run(PRELUDE + PROGRAMS["a call"][0])
        self.assertEqual(executor.pauses, [])
        awaits = "await data.get_devices()\nasync def main(): return 3\nasyncio.run(main())"
        self.assertEqual(run(PRELUDE + awaits, parks=True)["value"], 3)
