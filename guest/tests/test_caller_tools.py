"""Tools that come with the request, because the caller answers them itself."""

import unittest

from . import executor, forget_program, parameter, run, tool

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
