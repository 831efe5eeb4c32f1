"""The event loop: `asyncio` programs with simulated time."""

import contextlib
import io
import unittest

from . import executor, hidden_stderr, run

PROGRAMS = {
    "sleep": ("await asyncio.sleep(2)\nawait asyncio.sleep(0, 'slept')", "slept", 2),
    "gather": ("await asyncio.gather(later(3, 'a'), later(1, 'b'))", ["a", "b"], 3),
    "order": ("out = []\nawait asyncio.gather(*(later(n, n, out) for n in (3, 1, 2)))\nout", [1, 2, 3], 3),
    "task": ("t = asyncio.create_task(later(1, 'x'))\nawait later(5)\nawait t", "x", 5),
    "timeout": ("try:\n  async with asyncio.timeout(2):\n    await later(9)\nexcept TimeoutError:\n  'late'", "late", 2),
    "no timeout": ("async with asyncio.timeout(5):\n  await later(1, 'in time')", "in time", 1),
    "wait_for": ("try:\n  await asyncio.wait_for(later(9), 1)\nexcept asyncio.TimeoutError:\n  'late'", "late", 1),
    "wait": ("d, p = await asyncio.wait([asyncio.create_task(later(n)) for n in (1, 9)], timeout=2)\n[len(d), len(p)]", [1, 1], 2),
    "task group": ("async with asyncio.TaskGroup() as g:\n  a = g.create_task(later(1, 'a'))\n  b = g.create_task(later(2, 'b'))\na.result() + b.result()", "ab", 2),
    "group failure": ("""
async def fail():
    await later(1)
    raise KeyError('k')
try:
    async with asyncio.TaskGroup() as g:
        g.create_task(fail())
        g.create_task(later(9))
except* KeyError as e:
    repr(e.exceptions)
""", "(KeyError('k'),)", 1),
    "queue": ("""
q = asyncio.Queue(1)
async def put():
    for i in range(3):
        await q.put(i)
t = asyncio.create_task(put())
[await q.get() for _ in range(3)]
""", [0, 1, 2], 0),
    "semaphore": ("s = asyncio.Semaphore(2)\nasync def f():\n  async with s:\n    await later(1)\nawait asyncio.gather(f(), f(), f(), f())\n'done'", "done", 2),
    "event": ("e = asyncio.Event()\nasyncio.get_running_loop().call_later(3, e.set)\nawait e.wait()", True, 3),
    "condition": ("""
c = asyncio.Condition()
async def wake():
    await later(1)
    async with c:
        c.notify_all()
t = asyncio.create_task(wake())
async with c:
    await c.wait()
""", True, 1),
    "lock": ("l = asyncio.Lock()\nasync with l:\n  l.locked()", True, 0),
    "as_completed": ("[await c for c in asyncio.as_completed([later(n, n) for n in (3, 1, 2)])]", [1, 2, 3], 3),
    "shield": ("t = asyncio.create_task(later(3, 'kept'))\ntry:\n  await asyncio.wait_for(asyncio.shield(t), 1)\nexcept TimeoutError:\n  await t", "kept", 3),
    "cancel": ("t = asyncio.create_task(later(9))\nawait later(1)\nt.cancel()\ntry:\n  await t\nexcept asyncio.CancelledError:\n  t.cancelled()", True, 1),
    "call_later": ("out = []\nloop = asyncio.get_running_loop()\nloop.call_later(2, out.append, 2)\nloop.call_soon(out.append, 0)\nh = loop.call_at(loop.time() + 1, out.append, 1)\nh.cancel()\nawait later(3)\nout", [0, 2], 3),
    "many timers": ("await asyncio.gather(*(later(n / 100) for n in range(500)))\n'done'", "done", 4.99),
    "to_thread": ("await asyncio.to_thread(lambda a, b=0: a + b, 1, b=2)", 3, 0),
    "run_in_executor": ("await asyncio.get_running_loop().run_in_executor(None, sum, [1, 2])", 3, 0),
    "executor failure": ("try:\n  await asyncio.to_thread(lambda: 1 / 0)\nexcept ZeroDivisionError:\n  'raised'", "raised", 0),
    "run": ("asyncio.run(later(1, 'ran'))", "ran", 1),
    "run twice": ("[asyncio.run(later(1, n)) for n in 'ab']", ["a", "b"], 2),
    "run inside": ("await later(1)\nasync def f():\n  return asyncio.run(later(2, 'in'))\nx = await f()\nawait later(1)\nx", "in", 4),
    "run inside, twice": ("await later(1)\nasync def f():\n  return asyncio.run(g()) + 'b'\nasync def g():\n  return asyncio.run(later(2, 'a'))\nawait f()", "ab", 3),
    "run inside keeps the task": ("await later(0)\nt = asyncio.current_task()\nasyncio.run(later(1))\n[t is asyncio.current_task(), asyncio.get_running_loop() is t.get_loop()]", [True, True], 1),
    "run inside a task": ("async def f():\n  return asyncio.run(later(1, 'x'))\nawait asyncio.gather(f(), later(5), f())", ["x", None, "x"], 6),
    "runner": ("with asyncio.Runner() as r:\n  a = r.run(later(1, 1))\n  b = r.run(later(1, 2))\n[a, b]", [1, 2], 2),
    "own loop": ("loop = asyncio.new_event_loop()\nx = loop.run_until_complete(later(1, 'own'))\nloop.close()\nx", "own", 1),
    "own loop inside": ("await later(1)\nloop = asyncio.new_event_loop()\ntry:\n  x = loop.run_until_complete(later(1, 'own'))\nfinally:\n  loop.close()\nx", "own", 2),
    "main": ("async def main():\n  return await later(1, 'main')\nif __name__ == '__main__':\n  asyncio.run(main())", "main", 1),
    "generators are closed": ("async def g():\n  try:\n    yield 1\n  finally:\n    pass\nasync def main():\n  async for x in g():\n    return x\nasyncio.run(main())", 1, 0),
    "eager": ("loop = asyncio.get_running_loop()\nloop.set_task_factory(getattr(asyncio, 'eager_task_factory', None))\nt = asyncio.create_task(later(0, 5))\nawait t", 5, 0),
}

# Tasks and generators that remain at the end are cancelled at once.
LEFTOVERS = {
    "task": ("async def f():\n  try:\n    await later(99)\n  finally:\n    print('cancelled', end='')\nt = asyncio.create_task(f())\nawait later(1)\n'end'", "end"),
    "generator": ("async def g():\n  try:\n    yield 'end'\n  finally:\n    print('cancelled', end='')\nx = g()\nawait anext(x)", "end"),
}

DEADLOCKS = {
    "event": "await asyncio.Event().wait()",
    "future": "await asyncio.get_running_loop().create_future()",
    "queue": "await asyncio.Queue().get()",
    "lock": "l = asyncio.Lock()\nasync with l:\n  async with l:\n    pass",
    "task": "t = asyncio.create_task(asyncio.Event().wait())\nawait t",
    "gather": "await asyncio.gather(asyncio.Event().wait(), later(1))",
    "wait": "await asyncio.wait([asyncio.create_task(asyncio.Event().wait())])",
    "run": "asyncio.run(asyncio.Event().wait())",
    "run inside": "await later(1)\nasyncio.run(asyncio.Event().wait())",
    "shield": "await asyncio.shield(asyncio.create_task(asyncio.Event().wait()))",
    "each other": "a = b = None\nasync def f():\n  await b\nasync def g():\n  await a\na, b = asyncio.create_task(f()), asyncio.create_task(g())\nawait a",
    "for ever": "asyncio.new_event_loop().run_forever()",
}
NO_LINE = ("each other",)  # the error cannot be raised in any of the tasks
PRELUDE = "import asyncio\nasync def later(s, x=None, out=None):\n  await asyncio.sleep(s)\n  if out is not None:\n    out.append(x)\n  return x\n"


class TestLoop(unittest.TestCase):
    def setUp(self):
        executor.reset()

    def test_programs(self):
        for name, (code, value, seconds) in PROGRAMS.items():
            with self.subTest(name):
                begin = executor.now
                result = run(PRELUDE + code)
                self.assertIsNone(result["error"])
                self.assertEqual(result["value"], value)
                self.assertAlmostEqual(executor.now - begin, seconds, places=6)

    def test_leftovers(self):
        for name, (code, value) in LEFTOVERS.items():
            for program in (PRELUDE + code, inside_main(code)):
                with self.subTest(name), contextlib.redirect_stdout(io.StringIO()) as stdout:
                    begin = executor.now
                    result = run(program)
                    self.assertIsNone(result["error"])
                    self.assertEqual(result["value"], value)
                    self.assertEqual(stdout.getvalue(), "cancelled")
                    self.assertLess(executor.now - begin, 2)

    def test_deadlocks(self):
        for name, code in DEADLOCKS.items():
            with self.subTest(name), hidden_stderr():
                error = run(PRELUDE + code)["error"]
                self.assertEqual(error["type"], "RuntimeError")
                self.assertEqual(error["message"], "deadlock: all tasks are waiting and nothing can wake them")
                if name not in NO_LINE:
                    self.assertGreaterEqual(error["line"], 7, "the line must be after the prelude")

    def test_deadlock_can_be_caught(self):
        code = "try:\n  await asyncio.Event().wait()\nexcept RuntimeError:\n  await later(1, 'caught')"
        self.assertEqual(run(PRELUDE + code)["value"], "caught")

    def test_failures(self):
        fail = "async def fail():\n  await later(1)\n  raise KeyError('k')\n"
        for code in ("await fail()", "await asyncio.gather(fail(), later(9))", "asyncio.run(fail())"):
            with self.subTest(code):
                error = run(PRELUDE + fail + code)["error"]
                self.assertEqual((error["type"], error["line"]), ("KeyError", 9))

    def test_exits(self):
        for code in ("raise SystemExit(3)", "async def f(): raise SystemExit(3)\nawait asyncio.create_task(f())", "async def f(): raise SystemExit(3)\nasyncio.run(f())"):
            with self.subTest(code), contextlib.redirect_stderr(io.StringIO()) as stderr:
                error = run(PRELUDE + "await later(1)\n" + code)["error"]
                self.assertEqual((error["type"], error["message"]), ("SystemExit", "3"))
                self.assertEqual(stderr.getvalue(), "")

    def test_unretrieved_task_exception_is_logged(self):
        code = "async def fail(): 1 / 0\nt = asyncio.create_task(fail())\nawait later(1)\ndel t\n'end'"
        with contextlib.redirect_stderr(io.StringIO()) as stderr:
            result = run(PRELUDE + code)
        self.assertEqual(result["value"], "end")
        self.assertIn("Task exception was never retrieved", stderr.getvalue())
        self.assertIn("ZeroDivisionError", stderr.getvalue())

    def test_errors_for_sockets_and_processes(self):
        for code, word in (
            ("await asyncio.open_connection('localhost', 80)", "sockets"),
            ("await asyncio.start_server(print, port=80)", "sockets"),
            ("await asyncio.create_subprocess_exec('ls')", "processes"),
            ("await asyncio.create_subprocess_shell('ls')", "processes"),
        ):
            with self.subTest(code):
                error = run(PRELUDE + code)["error"]
                self.assertEqual(error["type"], "OSError")
                self.assertEqual(error["message"], f"{word} do not exist in this sandbox")

    def test_short_sleeps_are_not_rounded_to_zero(self):
        self.assertEqual(run(PRELUDE + "await later(1e-10)\nawait later(1e-9)\n'done'")["value"], "done")


def inside_main(code):
    """Returns the program as an async function that `asyncio.run` runs."""
    *body, last = code.splitlines()
    lines = "".join(f"  {line}\n" for line in [*body, f"return {last}"])
    return f"{PRELUDE}async def main():\n{lines}asyncio.run(main())"
