"""A fake host: the module `_executor` with a simulated clock and simulated tools."""

import ast
import json
import types

COMPILE_FLAGS = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT


class FakeExecutor(types.ModuleType):
    """The functions that `guest.c` provides. Waiting advances `now` and takes no real time."""

    def __init__(self):
        super().__init__("_executor")
        self.reset()

    def reset(self):
        """Removes all calls and tools, and resets the clock."""
        self.now = 1000.0
        self.tools = {}  # full name -> function of the arguments that returns (seconds, reply)
        self.calls = []
        self.refused = []  # names of tools whose arguments did not bind
        self.cancelled = []  # ids of cancelled calls
        self.most_in_flight = 0
        self.refuses_calls = False
        self.asks_for_stack = False  # at each wait, at most twice in a row
        self.pauses = []  # for each pause, the nanoseconds until a timer wakes the guest, or None
        self._asked = 0
        self._begun = 0
        self._due = {}
        self._value = None

    def call(self, payload):
        if self.refuses_calls:
            raise RuntimeError("the host refuses")
        request = json.loads(payload)
        if "cancel" in request:
            self.cancelled.append(request["cancel"])
            self._due.pop(request["cancel"], None)
            return 0
        if "refused" in request:
            self.refused.append(request["tool"])
            return self._begin(0, {"error": {"kind": "ToolArgumentError", "message": request["refused"]}})
        self.calls.append((request["tool"], request["arguments"]))
        seconds, reply = self.tools[request["tool"]](request["arguments"])
        return self._begin(seconds, reply)

    def _begin(self, seconds, reply):
        self._begun += 1
        reply = reply if type(reply) is bytes else json.dumps(reply).encode()
        self._due[self._begun] = (self.now + seconds, reply)
        self.most_in_flight = max(self.most_in_flight, len(self._due))
        return self._begun

    def paused(self, wakes_after):
        """Records a pause: the guest has given its stack back. Drops the state that is not in the guest's memory."""
        self.pauses.append(wakes_after)
        self._asked = 2
        self._value = None

    def wait(self, timeout_ns):
        if self.asks_for_stack and timeout_ns != 0 and self._asked < 2:
            self._asked += 1
            return [(0xFFFF_FFFF, b"")]
        self._asked = 0
        ends = self.now + timeout_ns / 1e9 if timeout_ns >= 0 else float("inf")
        first = min([due for due, _ in self._due.values()], default=float("inf"))
        if first == ends == float("inf"):
            raise AssertionError("the guest waits forever: no call is pending and the wait has no timeout")
        self.now = max(self.now, min(first, ends))
        done = [call_id for call_id, (due, _) in self._due.items() if due <= self.now]
        return [(call_id, self._due.pop(call_id)[1]) for call_id in done]

    def remember(self, value):
        if value is not None:
            self._value = value

    def compile(self, source, filename):
        tree = compile(source, filename, "exec", COMPILE_FLAGS | ast.PyCF_ONLY_AST, dont_inherit=True)
        if ast.get_docstring(tree) is not None:
            return None
        return compile(ast.Interactive(tree.body), filename, "single", COMPILE_FLAGS, dont_inherit=True, optimize=0)

    def watch(self, names, watcher):
        """Does nothing: an unpatched CPython has no hook for the attributes that class patterns read."""

    def immortalize(self, thing):
        """Does nothing: there is no image."""

    def remembered(self):
        return self._value
