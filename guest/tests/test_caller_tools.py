"""Tools that come with the request: because the caller answers them itself, or because the executor has others now."""

import json
import sys
import unittest

from . import HOME_TOOLS, executor, forget_program, parameter, run, tool

EVENTS = tool("agenda.get_events", "Events of a day.", parameter("day", "str", required=True), returns="list")
ADD = tool("agenda.add", "Adds an event.", parameter("title", "str", required=True))


class TestCallerTools(unittest.TestCase):
    def setUp(self):
        executor.reset()
        executor.tools["agenda.get_events"] = lambda arguments: (1, {"ok": [arguments["day"]]})
        self.addCleanup(forget_program)

    def test_they_are_modules_like_all_others(self):
        code = (
            "import agenda, inspect_me\n" if False else "import agenda\n"
        ) + "from agenda import get_events\n[await get_events('today'), get_events.__doc__, agenda.ToolError is ToolError]"
        result = run(code, caller_tools=[EVENTS])
        self.assertEqual((result["value"], result["error"]), ([["today"], "Events of a day.", True], None))

    def test_they_are_gone_in_the_next_run(self):
        run("import agenda", caller_tools=[EVENTS])
        error = run("import agenda")["error"]
        self.assertEqual(error["message"], "Import of 'agenda' is not permitted")

    def test_grants_do_not_concern_them(self):
        result = run("import agenda\nawait agenda.get_events('now')", tools=[], caller_tools=[EVENTS])
        self.assertEqual(result["value"], ["now"])
        error = run("import data", tools=[], caller_tools=[EVENTS])["error"]
        self.assertEqual(error["message"], "Import of 'data' is not permitted")

    def test_the_message_says_the_line(self):
        sent = []
        call = executor.call
        executor.call = lambda payload: sent.append(payload) or call(payload)
        self.addCleanup(delattr, executor, "call")
        run("import agenda\n\nawait agenda.get_events('now')", caller_tools=[EVENTS])
        self.assertEqual(sent, [b'{"tool":"agenda.get_events","arguments":{"day":"now"},"line":3}'])

    def test_wrong_arguments_are_told_before_the_host_is_asked(self):
        error = run("import agenda\nawait agenda.get_events(1, 2)", caller_tools=[EVENTS])["error"]
        self.assertEqual((error["type"], executor.refused), ("ToolArgumentError", ["agenda.get_events"]))

    def test_a_definition_that_has_changed_ends_the_functions_of_the_old_one(self):
        run("from agenda import get_events, add\nimport agenda", keeps=True, caller_tools=[EVENTS, ADD])
        same = "import agenda as again\n(again is agenda, await get_events('now'))"
        self.assertEqual(run(same, keeps=True, caller_tools=[EVENTS, ADD])["value"], [True, ["now"]])
        for tools in ([EVENTS | {"description": "Other."}], []):
            error = run("await get_events('now')", keeps=True, caller_tools=tools)["error"]
            self.assertEqual(error["type"], "ToolDenied")
            self.assertIn("'agenda.get_events' is not there any more", error["message"])


class TestOtherToolsThanBefore(unittest.TestCase):
    """The executor was started with other tools than those in the image."""

    def setUp(self):
        executor.reset()
        for name in ("get_devices", "search_events", "added", "off"):
            executor.tools[f"data.{name}"] = lambda arguments, name=name: (1, {"ok": [name, arguments]})
        executor.tools["automation.detect"] = lambda arguments: (0, {"ok": "found"})
        self.addCleanup(forget_program)
        self.addCleanup(sys.modules["guest_caller_tools"].redefine, HOME_TOOLS)
        devices, events, _ = HOME_TOOLS
        changed = tool("data.search_events", "Other.", parameter("since", "str", required=True)) | {"digest": "2"}
        self.others = [
            devices | {"description": "Says something else."},
            changed,
            tool("data.added") | {"digest": "3"},
            tool("automation.detect") | {"digest": "4"},
        ]

    def refused(self, code):
        error = run(code, keeps=True)["error"]
        self.assertEqual(error["type"], "ToolDenied", error)
        return error["message"]

    def test_a_later_program_uses_what_is_the_same_and_imports_the_rest_again(self):
        run("import data, my_tools\nfrom data import search_events\nimport_ = my_tools.import_", keeps=True)
        code = "await data.get_devices(), await data.added()"
        value = run(code, keeps=True, all_tools=self.others)["value"]
        self.assertEqual(value, [["get_devices", {}], ["added", {}]])
        self.assertIn("'data.search_events' has changed", self.refused("await search_events('x')"))
        self.assertIn("'data.search_events' has changed", self.refused("await data.search_events('x')"))
        self.assertIn("'my_tools.import_' is not there any more", self.refused("await import_()"))
        self.assertEqual(len(executor.calls), 2, "no refused call reaches the host")
        again = run("import data\nawait data.search_events('monday'), data.search_events.__doc__", keeps=True)
        self.assertEqual(again["value"], [["search_events", {"since": "monday"}], "Other."])
        gone = run("import my_tools", keeps=True)["error"]
        self.assertEqual(gone["message"], "Import of 'my_tools' is not permitted")
        self.assertEqual(run("import automation\nawait automation.detect()", keeps=True)["value"], "found")
        # And back again.
        run("1", keeps=True, all_tools=HOME_TOOLS)
        self.assertIn("is not there any more", self.refused("await automation.detect()"))
        self.assertIn("has changed", self.refused("await data.search_events('x')"))
        code = "import my_tools, data\n(await data.search_events('x', limit=1))[1]"
        self.assertEqual(run(code, keeps=True)["value"], {"entity-id": "x", "limit": 1})

    def test_a_module_of_the_caller_gives_way(self):
        executor.tools["agenda.add"] = lambda arguments: (0, {"ok": "the executor's"})
        run("from agenda import add", keeps=True, caller_tools=[ADD])
        result = run("import agenda\nawait agenda.add('x')", keeps=True, all_tools=[ADD | {"digest": "5"}])
        self.assertEqual(result["value"], "the executor's")
        self.assertIn("is not there any more", self.refused("await add('x')"))

    def test_without_tools_there_is_no_search(self):
        run("from data import get_devices", keeps=True)
        error = run("import tools", keeps=True, all_tools=[])["error"]
        self.assertEqual(error["message"], "Import of 'tools' is not permitted")
        self.assertIn("'data.get_devices' is not there any more", self.refused("await get_devices()"))

    def test_a_paused_program_is_told_before_it_goes_on(self):
        runner = sys.modules["guest_runner"]
        executor.tools["data.get_devices"] = lambda arguments: (9, {"ok": "waited"})
        code = (
            "import data\nfirst = await data.get_devices()\ntry: await data.search_events('x')\n"
            "except data.ToolDenied as e: why = str(e)[:34]\n[first, why, await data.get_devices()]"
        )
        executor.asks_for_stack = True
        request = {"code": code, "result_bytes_max": 1000, "parks": True}
        main, result = sys.modules["__main__"], b""
        self.addCleanup(sys.modules.__setitem__, "__main__", main)
        result = runner.run(json.dumps(request).encode())
        self.assertTrue(result.startswith(b'{"waiting":'), result)
        executor.paused(None)
        result = runner.run(json.dumps({"all_tools": self.others}).encode())
        while result.startswith(b'{"waiting":'):
            executor.paused(None)
            result = runner.run(b"")
        self.assertEqual(json.loads(result)["value"], ["waited", "'data.search_events' has changed sin"[:34], "waited"], result)
        self.assertEqual([name for name, _ in executor.calls], ["data.get_devices"] * 2)
