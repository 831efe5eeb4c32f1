"""Tool calls that a program forgets to await, and tools that it forgets to call."""

import asyncio
import unittest

from . import executor, hidden_stderr, run

# (code, message of the `UnawaitedCoroutineError`, line, part of the hint)
FORGOTTEN = [
    (
        "import data\nx = data.get_devices()\n'done'",
        "data.get_devices() in line 2 was never awaited, so the tool was not called", 2, "add `await`",
    ),
    (
        "import data\ndata.get_devices()\n'done'",
        "data.get_devices() in line 2 was never awaited, so the tool was not called", 2, "add `await`",
    ),
    (
        "import data\nprint(f'{data.get_devices()}')\nx = [data.search_events(\n    str(n)) for n in range(3)]",
        "data.get_devices() in line 2 was never awaited, so the tool was not called, and 3 more", 2, "add `await`",
    ),
    (
        "import data\nawait data.get_devices()\ndef f():\n    data.get_devices()\nf()",
        "data.get_devices() in line 4 was never awaited, so the tool was not called", 4, "add `await`",
    ),
    (
        "import asyncio, data\nx = asyncio.gather(data.get_devices(), data.get_devices())\nx",
        "data.get_devices() in line 2 was never awaited, so the tool was not called, and 1 more", 2, "add `await`",
    ),
    (
        "import asyncio, data\nawait asyncio.sleep(0)\ntask = asyncio.create_task(data.get_devices())\n'done'",
        "data.get_devices() in line 3 was never awaited, so the tool was not called", 3, "add `await`",
    ),
    (
        "import asyncio, data\nawait asyncio.sleep(0)\ntask = asyncio.create_task(asyncio.sleep(9))\n[task]",
        "Return value contains a Task, not its result", None, "add `await`",
    ),
    (
        "import asyncio\nawait asyncio.sleep(0)\nasyncio.gather(asyncio.sleep(1))",
        "Return value contains a GatheringFuture, not its result", None, "add `await`",
    ),
    (
        "import data\n{'devices': data.get_devices}",
        "Return value contains the tool data.get_devices itself: it was not called", None, "parentheses",
    ),
    (
        "import data\nraise SystemExit(data.get_devices() and 0)",
        "data.get_devices() in line 2 was never awaited, so the tool was not called", 2, "add `await`",
    ),
]  # fmt: skip

HINTS = [
    ("import asyncio, data\nasyncio.create_task(data.get_devices())", "RuntimeError", "await asyncio.gather"),
    ("import data\nawait data.get_devices", "TypeError", "with parentheses"),
    ("import data\ndata.get_devices['devices']", "TypeError", "with parentheses"),
    ("import data\nfor d in data.get_devices: pass", "TypeError", "with parentheses"),
    ("import data\nawait data.get_devices()['devices']", "TypeError", "(await f(x))['key']"),
    ("import asyncio\nasyncio.gather()['x']\nawait asyncio.sleep(0)", "TypeError", "(await f(x))['key']"),
    ("await 5", "TypeError", "leave out this `await`"),
]

FINE = [
    "import data\ncall = data.get_devices()\ncall.close()\n'fine'",
    "import asyncio, data\ntask = asyncio.create_task(data.get_devices())\ntask.cancel()\nawait asyncio.sleep(0)\n'fine'",
    "import asyncio, data\ntry: await asyncio.wait_for(data.get_devices(), 0)\nexcept TimeoutError: 'fine'",
    "import asyncio, data\nasync def main(): return await data.get_devices()\nasyncio.run(main()) and 'fine'",
    "import data\ncalls = [data.get_devices(), data.get_devices()]\nfor call in calls: await call\n'fine'",
]


class TestForgotten(unittest.TestCase):
    def setUp(self):
        executor.reset()
        # As in a sandbox: no event loop exists before the program.
        asyncio.set_event_loop_policy(asyncio.DefaultEventLoopPolicy())
        executor.tools["data.get_devices"] = lambda arguments: (1, {"ok": [1]})

    def test_a_forgotten_call_fails_the_program(self):
        for code, message, line, hint in FORGOTTEN:
            executor.calls.clear()
            with self.subTest(code), hidden_stderr():
                result = run(code)
                self.assertIsNone(result["value"])
                error = result["error"]
                found = (error["type"], error["message"], error["line"])
                self.assertEqual(found, ("UnawaitedCoroutineError", message, line))
                self.assertIn(hint, error["hint"])
                self.assertLessEqual(len(executor.calls), 1)

    def test_hints(self):
        for code, kind, hint in HINTS:
            with self.subTest(code), hidden_stderr():
                error = run(code)["error"]
                self.assertEqual(error["type"], kind)
                self.assertIn(hint, error["hint"] or "")

    def test_closed_and_cancelled_calls_are_not_forgotten(self):
        for code in FINE:
            with self.subTest(code):
                result = run(code)
                self.assertIsNone(result["error"])
                self.assertEqual(result["value"], "fine")

    def test_other_functions_become_their_repr(self):
        result = run("def f(): pass\n[f]")
        self.assertTrue(result["value_is_repr"])
        self.assertIn("function f", result["value"][0])

    def test_a_warning_names_a_line_of_the_program(self):
        code = "async def main(): pass\n\ndef f():\n    main()\nf()\nx = main()"
        with hidden_stderr() as stderr:
            run(code)
        self.assertRegex(stderr.getvalue(), r"main.py:4: RuntimeWarning: coroutine 'main' was never awaited")
        self.assertRegex(stderr.getvalue(), r"main.py:1: RuntimeWarning: coroutine 'main' was never awaited")
