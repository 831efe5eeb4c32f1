"""`concurrent.futures` without threads."""

import unittest

from . import run

# (code, value)
WORKS = [
    ("[pool.submit(divmod, 7, 2).result(), list(pool.map(abs, [-1, 2]))]", [[3, 1], [1, 2]]),
    ("f = pool.submit(int, 'x'); [f.done(), type(f.exception()).__name__]", [True, "ValueError"]),
    ("f = pool.submit(lambda: 1); f.add_done_callback(log.append); [f in log, f.cancel(), f.running()]", [True, False, False]),
    ("done, waiting = cf.wait([pool.submit(abs, -1)], return_when=cf.FIRST_COMPLETED); [len(done), len(waiting)]", [1, 0]),
    ("[f.result() for f in cf.as_completed([pool.submit(abs, -n) for n in range(3)])] and log", []),
    ("p = cf.ThreadPoolExecutor(2, 'name', log.append, ('i',)); p.submit(abs, 1); p.submit(abs, 1); log", ["i"]),
    ("p = cf.ProcessPoolExecutor(max_workers=2, max_tasks_per_child=1); p.submit(abs, -1).result()", 1),
    ("isinstance(pool, cf.Executor) and issubclass(cf.ProcessPoolExecutor, cf.Executor)", True),
    ("import asyncio\nawait asyncio.get_running_loop().run_in_executor(pool, abs, -5)", 5),
    ("import asyncio\nawait asyncio.wrap_future(pool.submit(abs, -5))", 5),
    ("repr(cf.ThreadPoolExecutor)", "<class 'concurrent.futures.ThreadPoolExecutor'>"),
]

# (code, error)
ERRORS = [
    ("with pool: pass\npool.submit(abs, 1)", "RuntimeError: cannot schedule new futures after shutdown"),
    ("cf.ThreadPoolExecutor(0)", "ValueError: max_workers must be greater than 0"),
    ("cf.ThreadPoolExecutor(initializer=5)", "TypeError: initializer must be a callable"),
    ("pool.submit(int, 'x').result()", "ValueError: invalid literal for int() with base 10: 'x'"),
]
PRELUDE = "import concurrent.futures as cf\npool, log = cf.ThreadPoolExecutor(), []\n"


class TestExecutors(unittest.TestCase):
    def test_works(self):
        for code, value in WORKS:
            with self.subTest(code):
                result = run(PRELUDE + code)
                self.assertIsNone(result["error"])
                self.assertEqual(result["value"], value)

    def test_errors(self):
        for code, message in ERRORS:
            with self.subTest(code):
                error = run(PRELUDE + code)["error"]
                self.assertEqual(f"{error['type']}: {error['message']}", message)
