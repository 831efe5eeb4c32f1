"""Pauses: the host asks for the stack at each wait. The programs give it back, and end as they do without pauses."""

import unittest

from . import executor, hidden_stderr, run
from .test_loop import PRELUDE, PROGRAMS

CALLS = {
    "one after the other": ("import data\n[await data.get_devices() for _ in range(3)]", [["lamp"]] * 3, 3),
    "gathered": ("import asyncio, data\nawait asyncio.gather(*(data.get_devices() for _ in range(3)))", [["lamp"]] * 3, 1),
    "given up": ("import asyncio, data\ntry:\n    await asyncio.wait_for(data.get_devices(), 0.5)\nexcept TimeoutError:\n    'late'", "late", 1),
    "in a function's loop": ("import asyncio, data\ndef main():\n    return asyncio.run(data.get_devices())\nmain()", ["lamp"], 0),
    "a value before": ("import data\n7\n_ = await data.get_devices() and 8\n9", 8, 1),
    "an exit": ("import data\nawait data.get_devices()\nraise SystemExit(0)", None, 1),
}


class TestPauses(unittest.TestCase):
    """Compares results and simulated time with those of runs without pauses."""

    def setUp(self):
        executor.reset()
        executor.tools["data.get_devices"] = lambda arguments: (1, {"ok": ["lamp"]})

    def test_programs_of_the_loop(self):
        pauses = 0
        for name, (code, *_) in PROGRAMS.items():
            ends = []
            for executor.asks_for_stack in (False, True):
                started = executor.now
                with hidden_stderr() as stderr:
                    result = run(PRELUDE + code)
                ends.append((result, stderr.getvalue(), round(executor.now - started, 6)))
            with self.subTest(name):
                self.assertEqual(ends[0], ends[1])
            pauses += len(executor.pauses)
        self.assertGreater(pauses, 30)

    def test_tool_calls(self):
        for name, (code, value, pauses) in CALLS.items():
            executor.asks_for_stack, executor.pauses = False, []
            whole = run(code)
            executor.asks_for_stack = True
            with self.subTest(name):
                result = run(code)
                self.assertEqual(result, whole)
                self.assertIsNone(result["error"])
                if value is not None:
                    self.assertEqual(result["value"], value)
                self.assertGreaterEqual(len(executor.pauses), pauses)
                self.assertEqual(pauses == 0, executor.pauses == [])

    def test_a_pause_says_when_a_timer_wakes_the_program(self):
        executor.asks_for_stack = True
        run("import asyncio\nawait asyncio.sleep(2)")
        run("import data\nawait data.get_devices()")
        run("import asyncio, data\nasync with asyncio.timeout(30):\n    await data.get_devices()")
        self.assertEqual(executor.pauses, [2_000_000_000, None, 30_000_000_000])
