"""The `error` object of programs that fail."""

import json
import linecache
import sys
import traceback
import unittest

from . import hidden_stderr, run, run_raw

MODERN = sys.version_info >= (3, 13)

# (code, type, message, line, column)
ERRORS = [
    ("1/0", "ZeroDivisionError", "division by zero", 1, 1),
    ("x = 1\ny = x + (1/0)", "ZeroDivisionError", "division by zero", 2, 10),
    ("def f():\n  return [][1]\n\nf()", "IndexError", "list index out of range", 2, 10),
    ("é = {}; é['ü']['x']", "KeyError", "'ü'", 1, 9),
    ("class MyError(Exception): pass\nraise MyError('mine', 2)", "MyError", "('mine', 2)", 2, 1),
    ("def f():\n  class Inner(Exception): pass\n  raise Inner\nf()", "Inner", "", 3, 3),
    ("import json\n\njson.loads('{')", "JSONDecodeError", None, 3, 1),
    ("assert 1 == 2, 'why'", "AssertionError", "why", 1, None),
    ("import asyncio\nasync def f():\n  await asyncio.sleep(0)\n  1/0\nawait f()", "ZeroDivisionError", None, 4, 3),
    ("import asyncio\nasync def f():\n  1/0\nasyncio.run(f())", "ZeroDivisionError", None, 3, 3),
    ("raise SystemExit(3)", "SystemExit", "3", 1, 1),
    ("raise SystemExit('bye')", "SystemExit", "bye", 1, 1),
    ("raise SystemExit(False, 1)", "SystemExit", "(False, 1)", 1, 1),
    ("raise SystemExit('')", "SystemExit", "", 1, 1),
    ("import asyncio\nawait asyncio.sleep(0)\nraise SystemExit(2)", "SystemExit", "2", 3, 1),
    ("raise KeyboardInterrupt", "KeyboardInterrupt", "", 1, 1),
    ("raise GeneratorExit", "GeneratorExit", "", 1, 1),
    ("raise StopIteration", "StopIteration", "", 1, 1),
    ("import asyncio\nraise asyncio.CancelledError('c')", "CancelledError", "c", 2, 1),
    ("import asyncio\nawait asyncio.sleep(0)\nraise asyncio.CancelledError", "CancelledError", "", 3, 1),
    ("raise BaseExceptionGroup('g', [KeyboardInterrupt()])", "BaseExceptionGroup", "g (1 sub-exception)", 1, 1),
    ("def f():\n  return f()\nf()", "RecursionError", None, 2, 10),
    ("raise MemoryError", "MemoryError", "", 1, 1),
    ("raise SystemError('error return without exception set')", "MemoryError", "", 1, 1),
    ("raise SystemError('other')", "SystemError", "other", 1, 1),
    ("[0] * (1 << 60)", "MemoryError", "", 1, 1),
    ("raise SyntaxError('made by hand')", "SyntaxError", "made by hand", 1, 1),
    # refused by the compiler
    ("x = 1\nf(", "SyntaxError", "'(' was never closed", 2, 2),
    ("if 1:\nx", "IndentationError", "expected an indented block after 'if' statement on line 1", 2, 1),
    ("return 5", "SyntaxError", "'return' outside function", 1, 1),
    ("x = 1\nyield x", "SyntaxError", "'yield' outside function", 2, 1),
    ("def f():\n  x = 1\n  global x", "SyntaxError", None, 3, 3),
    ("1 = x", "SyntaxError", None, 1, 1),
    ("é = ('", "SyntaxError", None, 1, 6),
    ("await", "SyntaxError", None, 1, None),
    ("x = 1\x00", None, None, None, None),
]

TRACEBACKS = {
    "a call": "def f(rows):\n    return rows[0]['x'] + 1\n\n\nprint(f([{'x': None}]), 3)\n",
    "an expression statement": "a = {}\nif True:\n    a['b']['c']\n",
    "the value": "foo = [1]\nfoo[5] + foo[0]\n",
    "an assignment to _": "_ = 1\n_ = _ / 0\n",
    "a method": "class A:\n    def m(self, x):\n        return x.missing\nA().m(\n    'text'\n)\n",
    "a cause": "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    raise KeyError('k') from error\n",
    "a context": "try:\n    1 / 0\nexcept ZeroDivisionError:\n    int('x')\n",
    "no context": "try:\n    1 / 0\nexcept ZeroDivisionError:\n    raise KeyError('k') from None\n",
    "a group": "def f(): 1 / 0\ntry:\n    f()\nexcept Exception as e:\n    raise ExceptionGroup('g', [e, ExceptionGroup('h', [ValueError(1)])])\n",
    "notes": "e = ValueError('x')\ne.add_note('one\\ntwo')\nraise e\n",
    "recursion": "def f(n):\n    return f(n - 1) if n else 1 / 0\nf(20)\n",
    "a comprehension": "x = [1 / n for n in (1, 0)]\n",
    "wide characters": "s = 'äöü😀'; x = s + 'ß' + 5\n",
    "a class": "class A:\n    x = 1\n    y = x.z\n",
    "several lines": "x = (1 +\n     2 / 0 +\n     3)\n",
    "a syntax error": "x = 1\ny = = 2\n",
    "not a syntax error": "def f():\n    raise SyntaxError('by hand')\nf()\n",
}

# Programs whose tracebacks pass through the library or the guest. Those frames are not shown.
DROPPED = {
    "json": "import json\njson.loads('{')",
    "sorted": "import functools\nfunctools.reduce(lambda a, b: a / b, [1, 0])",
    "asyncio": "import asyncio\nasync def f():\n    1 / 0\nawait asyncio.gather(f())",
    "task group": "import asyncio\nasync def f():\n    1 / 0\nasync with asyncio.TaskGroup() as g:\n    g.create_task(f())",
    "import": "import os",
    "tool": "import data\nawait data.get_devices(1)",
    "dataclass": "import dataclasses\n@dataclasses.dataclass\nclass A:\n    x: int\nA()",
}

HINTS = [
    ("open('x')", "no files"),
    ("input()", "no terminal"),
    ("eval('1')", "in the program itself"),
    ("exit()", "SystemExit"),
    ("import os", "There are no files"),
    ("from subprocess import run", "There are no processes"),
    ("os.getcwd()", "There are no files"),
    ("import sys\nsys.exc_info()", "except Exception as error"),
    ("import sys\nsys.flags", "Of sys there are argv"),
    ("from xml.dom import minidom", "xml.etree.ElementTree"),
    ("import shelve", "Importable here: json, re and more. Modules of tools: data, my_tools, tools."),
    ("shelve.open('x')", "Importable here"),
    ("[0] * (1 << 60)", "smaller pieces"),
    ("def f(): f()\nf()", "loop"),
    ("async def f(): return [1]\nf()[0]", "add `await`"),
    ("async def f(): return [1]\nfor x in f(): pass", "add `await`"),
    ("async def f(): return [1]\nf().append(1)", "add `await`"),
    ("async def f(): return 1\nf() + 1", "add `await`"),
    ("import asyncio\nasync def f(): pass\nawait asyncio.sleep(0)\nasyncio.get_running_loop().run_until_complete(f())", "`await`"),
    ("1/0", None),
    ("raise ImportError('x')", None),
    ("raise RuntimeError('x')", None),
]
MODERN_HINTS = [
    ("value = 1\nvalu", "Did you mean: 'value'?"),
    ("json.dumps(1)", "Did you forget to import 'json'?"),
    ("''.uper()", "Did you mean: 'upper'?"),
]

HOSTILE = {
    "str raises": "class E(Exception):\n  def __str__(self): raise ValueError('again')\nraise E",
    "str exits": "class E(Exception):\n  def __str__(self): raise SystemExit(0)\nraise E",
    "str is no str": "class E(Exception):\n  def __str__(self): return 5\nraise E",
    "str is a strange str": "class S(str):\n  def __str__(self): 1/0\n  __len__ = __getitem__ = encode = __str__\nclass E(Exception):\n  def __str__(self): return S('x')\nraise E",
    "str is huge": "class E(Exception):\n  def __str__(self): return 'é' * 10**7\nraise E",
    "message is huge": "raise ValueError('x' * 10**7)",
    "message is all escapes": "raise ValueError('\\x00' * 10**6)",
    "message is wide": "raise ValueError('\\U0001f600' * 10**6)",
    "message has surrogates": "raise ValueError('\\ud800' * 100)",
    "message has lines": "raise ValueError('\\n' * 10**6)",
    "class lies": "class E(Exception):\n  __class__ = property(lambda s: 1/0)\nraise E('x')",
    "attributes raise": "class E(Exception):\n  def __getattribute__(self, name): raise KeyError(name)\nraise E('x')",
    "names raise": "class M(type):\n  def __getattribute__(c, name): 1/0\nclass E(Exception, metaclass=M): pass\nraise E('x')",
    "name is huge": "raise type('E' * 10**6, (Exception,), {})",
    "name is quoted": "raise type('E\"\\\\\\n', (Exception,), {})",
    "module is no str": "class E(Exception): pass\nE.__module__ = 5\nraise E('x')",
    "notes are huge": "e = ValueError('x')\ne.__notes__ = ['n' * 10**6] * 100\nraise e",
    "notes are all escapes": "e = ValueError('\\x00' * 10**6)\ne.__notes__ = ['\\x01' * 10**6]\nraise e",
    "notes are many": "e = ValueError('x')\ne.__notes__ = ['n'] * 10**6\nraise e",
    "notes are no list": "e = ValueError('x')\ne.__notes__ = 5\nraise e",
    "notes raise": "class N:\n  def __str__(self): 1/0\ne = ValueError('x')\ne.__notes__ = [N(), 5, None]\nraise e",
    "cause chain": "e = None\nfor i in range(10_000):\n  n = ValueError(i)\n  n.__cause__ = e\n  e = n\nraise e",
    "context chain": "e = None\nfor i in range(10_000):\n  n = ValueError(i)\n  n.__context__ = e\n  e = n\nraise e",
    "cause cycle": "a, b = ValueError('a'), ValueError('b')\na.__cause__, b.__cause__ = b, a\nraise a",
    "own cause": "a = ValueError('a')\na.__cause__ = a\nraise a",
    "wide group": "raise ExceptionGroup('g', [ValueError(i) for i in range(10_000)])",
    "same member": "raise ExceptionGroup('g', [ValueError('m')] * 100_000)",
    "deep group": "e = ValueError()\nfor i in range(500):\n  e = ExceptionGroup('g', [e, ValueError()])\nraise e",
    "wide and deep group": "e = ValueError()\nfor i in range(30):\n  e = ExceptionGroup('g', [e] * 10)\nraise e",
    "long traceback": "e = ValueError('x')\nfor i in range(100_000):\n  try:\n    raise e\n  except ValueError:\n    pass\nraise e",
    "mutual recursion": "def f(): g()\ndef g(): f()\nf()",
    "long lines": "x = '" + "y" * 9000 + "'; 1/0",
    "long names": "def " + "f" * 4000 + "(n):\n  return " + "f" * 4000 + "(n - 1) if n else 1/0\n" + "f" * 4000 + "(900)",
    "strange syntax error": "raise SyntaxError('x', ('main.py', 'a', [], {}))",
    "stranger syntax error": "e = SyntaxError('x')\ne.filename, e.lineno, e.text, e.msg, e.offset = 'main.py', -1, 5, [], 10**9\nraise e",
    "strange name error": "class N:\n  __eq__ = __hash__ = lambda *a: 1/0\nraise NameError('x', name=N())",
    "strange import error": "raise ImportError('x' * 10**6, name=[], name_from='x')",
    "dir raises": "class A:\n  def __dir__(self): raise SystemExit(0)\nA().missing",
    "exit code raises": "class E(SystemExit):\n  code = property(lambda s: 1/0)\nraise E(0)",
}


class TestFailure(unittest.TestCase):
    def error(self, code):
        result = run(code)
        self.assertIsNone(result["value"])
        self.assertFalse(result["value_is_repr"])
        self.assertIsNotNone(result["error"], "must fail")
        return result["error"]

    def test_fields(self):
        for code, kind, message, line, column in ERRORS:
            with self.subTest(code), hidden_stderr():
                error = self.error(code)
                self.assertEqual(set(error), {"type", "message", "line", "column", "hint", "traceback", "compiled"})
                found = (error["type"], error["message"], error["line"], error["column"])
                for name, value, expected in zip(("type", "message", "line", "column"), found, (kind, message, line, column)):
                    if expected is not None:
                        self.assertEqual(value, expected, name)

    def test_compiled_is_false_if_nothing_ran(self):
        for code, compiled in (("return 5", False), ("x = (", False), ("1 / 0", True), ("raise SyntaxError('x')", True)):
            with self.subTest(code):
                self.assertIs(self.error(code)["compiled"], compiled)

    def test_traceback_equals_cpythons(self):
        for name, code in TRACEBACKS.items():
            with self.subTest(name):
                self.assertEqual(self.error(code)["traceback"], plain_traceback(code))

    def test_traceback_shows_only_frames_of_the_program(self):
        for name, code in DROPPED.items():
            with self.subTest(name):
                text = self.error(code)["traceback"]
                files = {line.split('"')[1] for line in text.splitlines() if line.lstrip(" |").startswith("File ")}
                self.assertEqual(files, {"main.py"})

    def test_hints(self):
        for code, part in HINTS + MODERN_HINTS * MODERN:
            with self.subTest(code), hidden_stderr():
                hint = self.error(code)["hint"]
                if part is None:
                    self.assertIsNone(hint)
                else:
                    self.assertIn(part, hint)
                    self.assertLessEqual(len(hint), 500)

    def test_hostile(self):
        for name, code in HOSTILE.items():
            with self.subTest(name), hidden_stderr():
                raw = run_raw(code)
                self.assertLess(len(raw), 128 * 1024)
                error = json.loads(raw)["error"]
                self.assertLessEqual(len(error["type"]), 200)
                self.assertLessEqual(len(error["message"]), 10_000)
                self.assertLessEqual(len(error["traceback"].encode()), 64 * 1024)
                self.assertIn("main.py", error["traceback"])
                self.assertIs(type(error["line"]), int)
                self.assertIs(type(error["column"]), int)

    def test_truncated_text_keeps_its_end(self):
        error = self.error(HOSTILE["mutual recursion"])
        self.assertTrue(error["traceback"].startswith("Traceback (most recent call last):"))
        self.assertTrue(error["traceback"].endswith("RecursionError: " + error["message"]))
        for name, link in (("cause chain", "direct cause of"), ("context chain", "During handling of")):
            chain = self.error(HOSTILE[name])["traceback"]
            self.assertTrue(chain.endswith("ValueError: 9999"))
            self.assertGreater(chain.count(link), 20)
        self.assertIn("[Previous line repeated", self.error("def f(): f()\nf()")["traceback"])
        self.assertIn("characters left out", self.error("raise ValueError('x' * 10 ** 6)")["message"])

    def test_out_of_memory(self):
        # The reserve is freed before the failure is encoded.
        runner = sys.modules["guest_runner"]
        runner.reserve.extend(b"x")
        self.assertEqual(self.error("raise MemoryError")["type"], "MemoryError")
        self.assertEqual(len(runner.reserve), 0)
        repr_fails = "class A:\n  def __repr__(self): raise MemoryError\nA()"
        self.assertEqual(self.error(repr_fails)["type"], "MemoryError")

    def test_out_of_memory_while_encoding_the_error(self):
        failure = sys.modules["guest_failure"]
        place_of = failure.place_of
        failures = [MemoryError("once")]

        def fail_once(error):
            if failures:
                raise failures.pop()
            return place_of(error)

        failure.place_of = fail_once
        self.addCleanup(setattr, failure, "place_of", place_of)
        self.assertEqual(self.error("1/0")["type"], "MemoryError")

    def test_malformed_request(self):
        error = json.loads(sys.modules["guest_runner"].run(b"{"))["error"]
        self.assertEqual(error["type"], "JSONDecodeError")


def plain_traceback(code):
    """Returns the traceback that CPython prints for the program, without the frame that calls `exec`."""
    linecache.cache["main.py"] = (len(code), None, code.splitlines(keepends=True), "main.py")
    try:
        exec(compile(code, "main.py", "exec"), {"__name__": "__main__"})
    except BaseException as error:
        error.__traceback__ = error.__traceback__.tb_next
        return "".join(traceback.format_exception(error)).rstrip("\n")
