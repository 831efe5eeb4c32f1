"""Programs that follow each other in the same interpreter."""

import unittest

from . import executor, forget_program, hidden_stderr, run


def keep(code, **others):
    """Runs a program and keeps the interpreter for the next one."""
    return run(code, keeps=True, **others)


class TestKeptInterpreters(unittest.TestCase):
    def setUp(self):
        executor.reset()
        executor.tools["data.get_devices"] = lambda arguments: (1, {"ok": ["lamp"]})
        self.addCleanup(forget_program)

    def values(self, *codes):
        results = [keep(code) for code in codes]
        self.assertEqual([result["error"] for result in results], [None] * len(codes))
        return [result["value"] for result in results]

    def test_variables_functions_and_classes_stay(self):
        values = self.values(
            "import json\nclass Room:\n    name = 'hall'\ndef shout(text):\n    return text.upper()\nroom = Room()",
            "room.name = shout(room.name)\nisinstance(room, Room)",
            "json.dumps(room.name)",
        )
        self.assertEqual(values, [None, True, '"HALL"'])

    def test_the_value_is_that_of_the_current_program(self):
        values = self.values("_ = 7", "x = 1", "8\ny = 2", "y", "_")
        self.assertEqual(values, [7, None, 8, 2, 7])

    def test_context_replaces_variables(self):
        self.values("x = 1")
        self.assertEqual(keep("x + y", context={"x": 10, "y": 20})["value"], 30)
        self.assertEqual(self.values("x"), [10])

    def test_an_exception_keeps_what_was_done_before_it(self):
        self.assertEqual(keep("x = 1\n1 / 0")["error"]["type"], "ZeroDivisionError")
        self.assertEqual(self.values("x"), [1])

    def test_errors_are_located_in_the_current_program(self):
        self.values("def fail():\n    # two\n    raise ValueError('no')")
        error = keep("x = 1\nfail()")["error"]
        self.assertEqual(error["line"], 2)
        self.assertIn('File "main-2.py", line 2, in <module>\n    fail()', error["traceback"])
        self.assertIn('File "main.py", line 3, in fail\n    raise ValueError', error["traceback"])
        self.assertEqual(keep("x = = 2")["error"]["line"], 1)

    def test_one_event_loop_serves_all(self):
        values = self.values(
            "import asyncio\nlock, queue, heard = asyncio.Lock(), asyncio.Queue(), asyncio.Event()\n"
            "async with lock:\n    await queue.put(1)\nloop = asyncio.get_running_loop()",
            "async with lock:\n    got = await queue.get()\n(got, loop is asyncio.get_running_loop(), loop.is_closed())",
            "async def wait():\n    await heard.wait()\n    return 'heard'\n"
            "task = asyncio.create_task(wait())\nawait asyncio.sleep(0)\nheard.set()\nawait task",
        )
        self.assertEqual(values, [None, [1, True, False], "heard"])

    def test_tasks_end_with_their_program(self):
        values = self.values(
            "import asyncio, data\ntask = asyncio.create_task(data.get_devices())\nawait asyncio.sleep(0)",
            "task.cancelled()",
            "await data.get_devices()",
        )
        self.assertEqual(values, [None, True, ["lamp"]])
        self.assertEqual(len(executor.cancelled), 1)

    def test_a_forgotten_call_counts_once(self):
        self.assertEqual(keep("import data\ncall = data.get_devices()")["error"]["type"], "UnawaitedCoroutineError")
        with hidden_stderr():
            self.assertEqual(self.values("call.close()\n1"), [1])

    def test_random_numbers_are_new_unless_the_program_chose_them(self):
        first = "import random\nrandom.random()"
        self.values(first)
        state = "random.seed(5)\nrandom.random()\nrandom.random()"
        chosen = self.values(state)[0]
        self.assertEqual(self.values("random.seed(5)\nrandom.random()", "random.random()")[1], chosen)
        self.values("random.seed()")
        import random

        random.seed(7)  # what a copy of the interpreter would begin with
        random.seed()
        one = random.getstate()
        self.values("random.random()")
        self.assertNotEqual(one, random.getstate())

    def test_nothing_is_finalised_between_programs(self):
        code = "class Noisy:\n    def __del__(self):\n        print('gone')\nnoisy = Noisy()"
        with hidden_stderr():
            self.values(code)
            self.assertEqual(self.values("type(noisy).__name__"), ["Noisy"])

    def test_a_program_that_pauses_is_followed_by_another(self):
        executor.asks_for_stack = True
        values = self.values("import data\nx = await data.get_devices()", "x + await data.get_devices()")
        self.assertEqual(values, [None, ["lamp", "lamp"]])
        self.assertGreater(len(executor.pauses), 1)
