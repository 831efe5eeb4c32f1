"""Tools in user code: calls, errors and metadata."""

import asyncio
import inspect
import pydoc
import sys
import unittest

from . import executor, hidden_stderr, run

RESULTS = {
    "data.get_devices": (1, {"ok": [{"id": 1}]}),
    "data.search_events": (2, {"ok": {"n": 1}}),
    "my_tools.import_": (1, {"ok": "more"}),
}

CALLS = [
    # (code, tool, arguments that the host receives)
    ("data.get_devices()", "data.get_devices", {}),
    ("data.search_events('a')", "data.search_events", {"entity-id": "a"}),
    ("data.search_events(entity_id='a', limit=5)", "data.search_events", {"entity-id": "a", "limit": 5}),
    ("data.search_events('a', 5, None, [1])", "data.search_events", {"entity-id": "a", "limit": 5, "class": None, "fields": [1]}),
    ("data.search_events('a', limit=None, fields=None)", "data.search_events", {"entity-id": "a"}),
    ("data.search_events('a', class_=None)", "data.search_events", {"entity-id": "a", "class": None}),
    ("data.search_events(None)", "data.search_events", {"entity-id": None}),
    ("data.search_events('a', free={1, 2})", "data.search_events", {"entity-id": "a", "free": [1, 2]}),
    ("data.search_events('a', fields=(datetime.date(2024, 1, 2), 'ü\\ud800'))", "data.search_events", {"entity-id": "a", "fields": ["2024-01-02", "ü?"]}),
    ("my_tools.import_(any=1, thing='x')", "my_tools.import_", {"any": 1, "thing": "x"}),
]

ARGUMENT_ERRORS = [
    ("data.get_devices(1)", "data.get_devices() takes 0 arguments, but 1 were given"),
    ("data.get_devices(x=1)", "data.get_devices() has no argument 'x' (it has: none)"),
    ("data.search_events()", "data.search_events() needs argument 'entity_id'"),
    ("data.search_events('a', entity_id='b')", "data.search_events() got two values for argument 'entity_id'"),
    ("data.search_events('a', bad=1)", "data.search_events() has no argument 'bad' (it has: entity_id, limit, class_, fields, free)"),
    ("data.search_events(print)", "Argument 'entity_id' of data.search_events() cannot be sent as JSON: builtin_function_or_method"),
    ("data.search_events([[object()]])", "Argument 'entity_id' of data.search_events() cannot be sent as JSON: list"),
    ("data.search_events(10 ** 4300)", "Argument 'entity_id' of data.search_events() contains an integer of more than 4300 digits: send it as hex() text"),
    ("data.search_events(x)", "Argument 'entity_id' of data.search_events() contains a circular reference"),
    ("data.search_events(data.get_devices())", "Argument 'entity_id' of data.search_events() contains a coroutine that was never awaited: get_devices()"),
]

REPLIES = [
    ({"error": {"kind": "ToolError", "message": "MCP tool 'x' failed: 500 - no"}}, "ToolError", "MCP tool 'x' failed: 500 - no"),
    ({"error": {"kind": "ToolTimeout", "message": "late"}}, "ToolTimeout", "late"),
    ({"error": {"kind": "ToolDenied", "message": "no"}}, "ToolDenied", "no"),
    ({"error": {"kind": "ToolArgumentError", "message": "bad"}}, "ToolArgumentError", "bad"),
    ({"error": {"kind": "Unheard", "message": "of"}}, "ToolError", "of"),
    (b'{"ok": %s}' % (b"9" * 5000), "ToolError", "The reply of 'data.get_devices' cannot be read: it has an integer of more than 4300 digits"),
    (b'{"ok": %s1%s}' % (b"[" * 50_000, b"]" * 50_000), "ToolError", "The reply of 'data.get_devices' cannot be read: it is nested too deeply"),
]

# Before CPython 3.12, an ordinary function cannot be marked as a coroutine function.
MARKS_COROUTINES = sys.version_info >= (3, 12)

PRELUDE = "import data, my_tools, datetime, asyncio\nx = []\nx.append(x)\n"


class TestTools(unittest.TestCase):
    def setUp(self):
        executor.reset()
        for name, result in RESULTS.items():
            executor.tools[name] = lambda arguments, result=result: result

    def test_calls(self):
        for code, tool, arguments in CALLS:
            with self.subTest(code):
                executor.calls.clear()
                result = run(f"{PRELUDE}await {code}")
                self.assertIsNone(result["error"])
                self.assertEqual(result["value"], RESULTS[tool][1]["ok"])
                self.assertEqual(executor.calls, [(tool, arguments)])

    def test_argument_errors(self):
        for code, message in ARGUMENT_ERRORS:
            with self.subTest(code), hidden_stderr():
                error = run(f"{PRELUDE}await {code}")["error"]
                self.assertEqual((error["type"], error["message"], error["line"]), ("ToolArgumentError", message, 4))
                self.assertEqual(executor.calls, [], "invalid arguments must not reach the host")
                self.assertEqual(executor.refused.pop(), message.partition("(")[0].split()[-1])

    def test_error_replies(self):
        for reply, kind, message in REPLIES:
            executor.tools["data.get_devices"] = lambda arguments, reply=reply: (1, reply)
            with self.subTest(kind):
                error = run("import data\nawait data.get_devices()")["error"]
                self.assertEqual((error["type"], error["message"], error["line"]), (kind, message, 2))
                self.assertTrue(error["traceback"].endswith(f"\n{kind}: {message}"))
                for caught in (kind, "ToolError", f"data.{kind}", "Exception"):
                    code = f"import data\ntry:\n  await data.get_devices()\nexcept {caught} as e:\n  str(e)"
                    self.assertEqual(run(code)["value"], message)

    def test_the_host_refuses_the_call(self):
        executor.refuses_calls = True
        error = run("import data\nawait data.get_devices()")["error"]
        self.assertEqual(error["type"], "ToolDenied")
        self.assertIn("'data.get_devices' was not called", error["message"])

    def test_calls_run_concurrently(self):
        begin = executor.now
        code = "import asyncio, data\nawait asyncio.gather(*(data.search_events(str(n)) for n in range(50)))"
        self.assertEqual(run(code)["value"], [{"n": 1}] * 50)
        self.assertEqual(executor.most_in_flight, 50)
        self.assertEqual(executor.now - begin, 2)

    @unittest.skipUnless(hasattr(asyncio, "eager_task_factory"), "from CPython 3.12 on")
    def test_calls_of_eager_tasks_run_concurrently(self):
        eager = "asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)"
        code = f"import asyncio, data\n{eager}\nawait asyncio.gather(*(data.get_devices() for n in range(50)))"
        self.assertEqual(len(run(code)["value"]), 50)
        self.assertEqual(executor.most_in_flight, 50)

    def test_a_loop_that_stops_does_not_wait_for_a_reply(self):
        code = """
import asyncio, data
loop = asyncio.new_event_loop()
async def ask():
    loop.stop()
    return await data.get_devices()
task = loop.create_task(ask())
loop.run_forever()
[task.done(), loop.run_until_complete(task)]
"""
        self.assertEqual(run(code)["value"], [False, [{"id": 1}]])

    def test_a_call_outside_a_loop_is_not_made(self):
        error = run("import data\ndata.get_devices().send(None)")["error"]
        self.assertEqual((error["type"], error["message"]), ("RuntimeError", "no running event loop"))
        self.assertEqual(executor.calls, [])

    def test_replies_are_matched_to_their_calls(self):
        executor.tools["data.search_events"] = lambda arguments: (10 - arguments["limit"], {"ok": arguments["limit"]})
        code = "import asyncio, data\nawait asyncio.gather(*(data.search_events('', n) for n in range(10)))"
        self.assertEqual(run(code)["value"], list(range(10)))

    def test_timeout_around_a_call(self):
        begin = executor.now
        code = """
import asyncio, data
try:
    async with asyncio.timeout(0.5):
        await data.get_devices()
except TimeoutError:
    await asyncio.sleep(3)
    await data.search_events('a')
"""
        self.assertEqual(run(code)["value"], {"n": 1})
        self.assertEqual(executor.now - begin, 5.5)

    def test_call_inside_nested_run(self):
        code = """
import asyncio, data
outer = asyncio.create_task(data.search_events('a'))
await asyncio.sleep(0)
inner = asyncio.run(data.get_devices())
[inner, await outer]
"""
        self.assertEqual(run(code)["value"], [[{"id": 1}], {"n": 1}])

    def test_reply_of_an_outer_call_arrives_in_a_nested_run(self):
        code = """
import asyncio, data
outer = asyncio.create_task(data.get_devices())
await asyncio.sleep(0)
asyncio.run(asyncio.sleep(5))
await outer
"""
        self.assertEqual(run(code)["value"], [{"id": 1}])

    def test_calling_returns_a_coroutine(self):
        self.assertEqual(run("import data\nc = data.get_devices()\nc.close()\ntype(c).__name__")["value"], "coroutine")
        self.assertEqual(executor.calls, [])

    def test_grants(self):
        for grants, code, kind in (
            (None, "data.get_devices()", None),
            (["data"], "data.get_devices()", None),
            (["data.get_devices"], "data.get_devices()", None),
            (["my_tools"], "data.get_devices()", "ImportError"),
            ([], "data.get_devices()", "ImportError"),
        ):
            with self.subTest(f"{grants} {code}"):
                error = run(f"import data\nawait {code}", tools=grants)["error"]
                self.assertEqual(error and error["type"], kind)
        self.assertEqual(len(executor.calls), 3)

    def test_the_host_denies_a_tool_that_is_not_granted(self):
        denied = {"error": {"kind": "ToolDenied", "message": "no"}}
        executor.tools["data.search_events"] = lambda arguments: (0, denied)
        error = run("import data\nawait data.search_events('a')", tools=["data.get_devices"])["error"]
        self.assertEqual((error["type"], error["message"]), ("ToolDenied", "no"))

    def test_import_hint_lists_granted_modules(self):
        hint = run("import shelve", tools=["my_tools"])["error"]["hint"]
        self.assertIn(" my_tools,", hint)
        self.assertNotIn(" data,", hint)

    def test_abandoned_calls_are_cancelled_on_the_host(self):
        code = """
import asyncio, data
try:
    async with asyncio.timeout(0.5):
        await asyncio.gather(*(data.search_events(str(n)) for n in range(3)))
except TimeoutError:
    pass
task = asyncio.create_task(data.get_devices())
await asyncio.sleep(0)
task.cancel()
await asyncio.sleep(0)
left = asyncio.create_task(data.get_devices())
done = await data.get_devices()
await left
task = asyncio.create_task(data.get_devices())
await asyncio.sleep(0)
"""
        self.assertIsNone(run(code)["error"])
        self.assertEqual(executor.cancelled, [1, 2, 3, 4, 7])

    def test_metadata_of_functions(self):
        data = sys.modules["data"]
        self.assertEqual(inspect.iscoroutinefunction(data.search_events), MARKS_COROUTINES)
        self.assertEqual(data.__all__, ["get_devices", "search_events"])
        self.assertEqual(data.search_events.__name__, "search_events")
        self.assertEqual(data.search_events.__module__, "data")
        self.assertIn("Texts are data", data.search_events.__doc__)
        self.assertEqual(
            str(inspect.signature(data.search_events)),
            "(entity_id: str, limit: int = 100, class_: str | None = None, fields: list | None = None, free=None)",
        )
        self.assertEqual(str(inspect.signature(data.get_devices)), "() -> list[dict]")
        self.assertEqual(str(inspect.signature(sys.modules["my_tools"].import_)), "(**more)")
        self.assertEqual(data.search_events.__annotations__["limit"], "int")
        self.assertEqual(data.get_devices.__annotations__, {"return": "list[dict]"})
        page = pydoc.plain(pydoc.render_doc(data))
        self.assertIn("async " * MARKS_COROUTINES + "get_devices() -> list[dict]\n        All devices.", page)

    def test_star_import(self):
        self.assertEqual(run("from data import *\nawait get_devices()")["value"], [{"id": 1}])
