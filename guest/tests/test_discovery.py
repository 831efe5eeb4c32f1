"""The module `tools`: looking up tools, also while other calls are in flight."""

import inspect
import sys
import unittest

from . import executor, hidden_stderr, run

FOUND = [{"name": "data.get_devices", "summary": "All devices."}]
PRELUDE = """
import asyncio, data, tools
async def later(seconds, value):
    await asyncio.sleep(seconds)
    return value
"""
PROGRAMS = {
    # what else runs during the lookup: (code, value, seconds in all); each answer of the host takes two seconds
    "alone": ("tools.search('devices')[0]['name']", "data.get_devices", 2),
    "by keyword": ("tools.describe(name='data.get_devices')", "a stub", 2),
    "imported by name": ("from tools import search, describe\n[len(search()), describe('x')]", [1, "a stub"], 4),
    "in a function": ("def f():\n  return tools.search()\nf()[0]['summary']", "All devices.", 2),
    "in a task": ("async def f():\n  return tools.describe('x')\nawait asyncio.gather(f(), f())", ["a stub"] * 2, 4),
    "a call ends before": ("t = asyncio.create_task(data.get_devices())\nawait asyncio.sleep(0)\nx = tools.describe('x')\n[t.done(), await t, x]", [False, "devices", "a stub"], 2),
    "a call ends after": ("t = asyncio.create_task(data.search_events('a'))\nawait asyncio.sleep(0)\nx = tools.describe('x')\n[await t, x]", ["events", "a stub"], 5),
    "many calls": ("g = asyncio.gather(*(data.get_devices() for _ in range(20)))\nawait asyncio.sleep(0)\ntools.search()\nlen(await g)", 20, 2),
    "a timer": ("t = asyncio.create_task(later(1, 'rang'))\nawait asyncio.sleep(0)\ntools.search()\nawait t", "rang", 2),
    "a timer after": ("t = asyncio.create_task(later(3, 'rang'))\nawait asyncio.sleep(0)\ntools.search()\nawait t", "rang", 3),
    "a call that nobody waits for": ("t = asyncio.create_task(data.get_devices())\nawait asyncio.sleep(0)\nt.cancel()\ntools.describe('x')", "a stub", 2),
    "inside a nested run": ("t = asyncio.create_task(data.get_devices())\nawait asyncio.sleep(0)\nasync def f():\n  return tools.describe('x')\n[asyncio.run(f()), await t]", ["a stub", "devices"], 2),
}  # fmt: skip


class TestDiscovery(unittest.TestCase):
    def setUp(self):
        executor.reset()
        executor.tools |= {
            "tools.search": lambda arguments: (2, {"ok": FOUND}),
            "tools.describe": lambda arguments: (2, {"ok": "a stub"}),
            "data.get_devices": lambda arguments: (1, {"ok": "devices"}),
            "data.search_events": lambda arguments: (5, {"ok": "events"}),
        }

    def test_programs(self):
        for name, (code, value, seconds) in PROGRAMS.items():
            with self.subTest(name):
                begin = executor.now
                result = run(PRELUDE + code)
                self.assertIsNone(result["error"])
                self.assertEqual(result["value"], value)
                self.assertAlmostEqual(executor.now - begin, seconds, places=6)

    def test_queries_sent_to_the_host(self):
        run("import tools\ntools.search()\ntools.search('a b')\ntools.describe('data.x')")
        self.assertEqual(
            executor.calls,
            [("tools.search", {"query": ""}), ("tools.search", {"query": "a b"}), ("tools.describe", {"name": "data.x"})],
        )

    def test_failures(self):
        refusal = {"error": {"kind": "ToolError", "message": "There is no tool 'x'"}}
        executor.tools["tools.describe"] = lambda arguments: (0, refusal)
        for code, kind, message in (
            ("tools.describe('x')", "ToolError", "There is no tool 'x'"),
            ("tools.search(print)", "ToolArgumentError", "Argument 'query' of tools.search() cannot be sent as JSON: builtin_function_or_method"),
            ("tools.search('a', 1)", "TypeError", "search() takes from 0 to 1 positional arguments but 2 were given"),
            ("tools.describe()", "TypeError", "describe() missing 1 required positional argument: 'name'"),
        ):
            with self.subTest(code), hidden_stderr():
                error = run(f"import tools\n{code}")["error"]
                self.assertEqual((error["type"], error["message"], error["line"]), (kind, message, 2))

    def test_the_host_refuses_the_query(self):
        executor.refuses_calls = True
        error = run("import tools\ntools.search()")["error"]
        self.assertEqual(error["type"], "ToolDenied")
        self.assertIn("'tools.search' was not called", error["message"])

    def test_grants(self):
        for grants, kind in ((None, None), (["data"], None), (["my_tools.import_"], None), ([], "ImportError")):
            with self.subTest(grants):
                error = run("import tools\nlen(tools.search())", tools=grants)["error"]
                self.assertEqual(error and error["type"], kind)

    def test_metadata_of_the_module(self):
        tools = sys.modules["tools"]
        self.assertEqual(tools.__all__, ["search", "describe"])
        self.assertEqual(str(inspect.signature(tools.search)), "(query: str = '') -> list[dict]")
        self.assertEqual((tools.describe.__module__, tools.describe.__name__), ("tools", "describe"))
        self.assertTrue(tools.__doc__ and tools.search.__doc__ and tools.describe.__doc__)

    def test_hints(self):
        for code, hint in (
            ("data.get_devices()", "Add `import data` before it."),
            ("tools.search()", "Add `import tools` before it."),
            ("import data\ndata.read()", "There are: data.get_devices, data.search_events"),
            ("from data import read", "There are: data.get_devices, data.search_events"),
            ("help(1)", "Print a function's __doc__ instead of calling help(). For a tool: print(tools.describe('module.tool')), after `import tools`."),
            ("import data\ndata.__name__ = []\ndata.read()", None),
        ):
            with self.subTest(code), hidden_stderr():
                self.addCleanup(setattr, sys.modules["data"], "__name__", "data")
                self.assertEqual(run(code)["error"]["hint"], hint)

    def test_hints_respect_grants(self):
        self.assertIsNone(run("data.get_devices()", tools=["my_tools"])["error"]["hint"])
        hint = run("import data\ndata.read()", tools=["data.get_devices"])["error"]["hint"]
        self.assertEqual(hint, "There are: data.get_devices")
