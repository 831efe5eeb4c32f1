"""The value of a program, and its environment: names, context and output."""

import contextlib
import io
import unittest

from . import run

VALUES = [
    # the last expression statement at module level
    ("1 + 1", 2),
    ("1\n2", 2),
    ("1\nNone", 1),
    ("1\nprint(end='')", 1),
    ("", None),
    ("# nothing", None),
    ("x = 1", None),
    ("1; 2; x = 3", 2),
    ("if True:\n  'if'", "if"),
    ("if 0:\n  1\nelif 1:\n  'elif'\nelse:\n  2", "elif"),
    ("if 0:\n  1\nelse:\n  'else'", "else"),
    ("for i in range(3):\n  i", 2),
    ("for i in []:\n  1\nelse:\n  'for-else'", "for-else"),
    ("while True:\n  'while'\n  break", "while"),
    ("try:\n  1 / 0\nexcept ZeroDivisionError:\n  'except'", "except"),
    ("try:\n  1\nexcept ValueError:\n  2\nelse:\n  'else'", "else"),
    ("try:\n  1\nfinally:\n  'finally'", "finally"),
    ("try:\n  raise ExceptionGroup('', [ValueError()])\nexcept* ValueError:\n  'star'", "star"),
    ("import contextlib\nwith contextlib.nullcontext():\n  'with'", "with"),
    ("match 1:\n  case 1:\n    'case'", "case"),
    ("if 1:\n  for i in [1]:\n    try:\n      'deep'\n    finally:\n      pass", "deep"),
    ("import asyncio\nawait asyncio.sleep(0, 'await')", "await"),
    ("import asyncio\nasync with asyncio.timeout(1):\n  'async with'", "async with"),
    ("async def g():\n  yield 1\nasync for x in g():\n  x + 1", 2),
    # expressions elsewhere do not count
    ("def f():\n  1\nf()", None),
    ("def f():\n  return 1\nf()", 1),
    ("class A:\n  1", None),
    ("(lambda: 5)()", 5),
    ("x = [y for y in range(3)]", None),
    ("1 if False else None", None),
    ("x = 0\n'last'\nif False:\n  'not run'", "last"),
    ("for i in range(3):\n  if i == 1:\n    i", 1),
    # strings and docstrings
    ("'only'", "only"),
    ("'doc'\nx = 1", "doc"),
    ("'doc'\nprint(end='')", "doc"),
    ("'doc'; 5", 5),
    ("'doc'\nif True:\n  None", "doc"),
    ("'doc'\n_ = 2", 2),
    ("b'no doc'\nx = 1", "no doc"),
    ("'doc'\n__doc__", "doc"),
    ("'''doc\n  indented'''\n__doc__", "doc\nindented"),
    ("x = 1\n'not a doc'", "not a doc"),
    ("f'{1}'", "1"),
    # `_` assigned by a statement at module level
    ("_ = 1", 1),
    ("_ = 1\n2", 1),
    ("2\n_ = 1", 1),
    ("_ = None\n2", None),
    ("_ = 1\n_ = 2", 2),
    ("_ = 1\n_ += 4", 5),
    ("_: int = 3\n9", 3),
    ("_: int\n9", 9),
    ("if True:\n  _ = 1\n9", 1),
    ("if False:\n  _ = 1\n9", 9),
    ("for i in range(3):\n  _ = i\n9", 2),
    ("try:\n  1 / 0\nexcept ZeroDivisionError:\n  _ = 'e'\n9", "e"),
    ("try:\n  pass\nexcept ValueError:\n  pass\nelse:\n  _ = 'else'\n9", "else"),
    ("try:\n  pass\nfinally:\n  _ = 'finally'\n9", "finally"),
    ("try:\n  raise ExceptionGroup('', [ValueError()])\nexcept* ValueError:\n  _ = 'star'\n9", "star"),
    ("match 1:\n  case 1:\n    _ = 'case'\n9", "case"),
    ("match 1:\n  case _:\n    5", 5),
    ("while True:\n  _ = 1\n  break\n9", 1),
    ("import contextlib\nwith contextlib.nullcontext():\n  _ = 1\n9", 1),
    ("import asyncio\nasync with asyncio.timeout(1):\n  _ = 1\n9", 1),
    ("_ = 1\nfor _ in range(3):\n  pass\n9", 2),
    ("_ = 1\na, _ = 2, 3\n9", 3),
    ("(_) = 1\n9", 1),
    # other bindings of `_` do not count
    ("a, _ = 1, 2\n9", 9),
    ("[a, (b, _)] = 1, (2, 3)\n9", 9),
    ("a, *_ = 1, 2, 3\n9", 9),
    ("_, = [1]\n9", 9),
    ("a = _ = 4\n9", 9),
    ("_ = a = 4\n9", 9),
    ("(a, _) = _ = 1, 2\n9", 9),
    ("for _ in range(3):\n  pass\n9", 9),
    ("9\nfor _ in range(3):\n  pass", 9),
    ("import json as _\n9", 9),
    ("import contextlib\nwith contextlib.nullcontext(1) as _:\n  pass\n9", 9),
    ("(_ := 1)\n9", 9),
    ("def f():\n  _ = 1\nf()\n9", 9),
    ("def f():\n  global _\n  _ = 1\nf()\n9", 9),
    ("class A:\n  _ = 1\n9", 9),
    ("a = {}\na['_'] = 1\n9", 9),
    ("class A: pass\nA._ = 1\n9", 9),
    ("_x = 1\n9", 9),
    ("[0 for _ in range(2)]", [0, 0]),
    # `_` deleted again
    ("_ = 1\ndel _\n9", 9),
    ("9\n_ = 1\ndel _", 9),
    ("_ = 1\ndel _\n_ = 2\n9", 2),
    ("_ = 1\ndel _\nfor _ in [5]: pass\n9", 9),
    ("_ = x = 1\n_ = 1\ndel x, _\n9", 9),
    ("_ = 1\ndel [_]\n9", 9),
    ("_ = 1\ndef f():\n  global _\n  del _\nf()\n9", 9),
    # the environment of a program
    ("__name__", "__main__"),
    ("if __name__ == '__main__':\n  'main'", "main"),
    ("try:\n  __file__\nexcept NameError:\n  'absent'", "absent"),
    ("x: int = 1\nlist(__annotations__)", ["x"]),
    ("__doc__", None),
    ("__debug__", True),
    ("assert True\n1", 1),
    ("'\\u00e9' + 'ü'", "éü"),
    ("1\r\n2\r\n", 2),
    ("from __future__ import annotations\nx: missing = 3\nx", 3),
    ("'doc'\nfrom __future__ import annotations\nx: missing = 3\nx", 3),
    # `from __future__` imports in the guest must not affect programs
    ("def f(x: int): pass\nf.__annotations__['x'] is int", True),
    ("raise SystemExit", None),
    ("5\nraise SystemExit", 5),
    ("_ = 6\nraise SystemExit(0)", 6),
    ("import asyncio\n7\nawait asyncio.sleep(0)\nraise SystemExit(0)", 7),
]

# Library functions that look up the module of a class by name, or compile code.
MODULE_LOOKUPS = {
    "dataclass": """
from __future__ import annotations
from dataclasses import dataclass, field
from typing import ClassVar
@dataclass(order=True, slots=True)
class Point:
    x: int
    y: int = 2
    n: ClassVar[int] = 9
    more: list = field(default_factory=list)
Point(1)
""",
    "type hints": """
from __future__ import annotations
import typing
class Node:
    next: Node
typing.get_type_hints(Node)["next"] is Node
""",
    "named tuple": """
from typing import NamedTuple
from collections import namedtuple
class A(NamedTuple):
    x: int = 1
[A(), namedtuple("B", "p q")(3, 4)]
""",
    "enum": """
import enum
class Color(enum.Enum):
    RED = enum.auto()
[Color.RED, Color("RED" and 1), enum.Enum("Shape", "ROUND").ROUND]
""",
    "singledispatch": """
import functools
@functools.singledispatch
def f(x): return "any"
@f.register
def _(x: int): return "int"
f(1)
""",
    "copy": "import copy\nclass A:\n  def __init__(self): self.x = [1]\ncopy.deepcopy(A()).x",
}
MODULE_VALUES = {
    "dataclass": {"x": 1, "y": 2, "more": []},
    "type hints": True,
    "named tuple": [[1], [3, 4]],
    "enum": [1, 1, 1],
    "singledispatch": "int",
    "copy": [1],
}


class TestValue(unittest.TestCase):
    def test_values(self):
        for code, value in VALUES:
            with self.subTest(code):
                result = run(code)
                self.assertIsNone(result["error"])
                self.assertEqual(result["value"], value)
                self.assertFalse(result["value_is_repr"])

    def test_module_lookups(self):
        for name, code in MODULE_LOOKUPS.items():
            with self.subTest(name):
                result = run(code)
                self.assertIsNone(result["error"])
                self.assertEqual(result["value"], MODULE_VALUES[name])

    def test_context(self):
        context = {"rows": [{"a": 1.5}], "_": 3, "name": "é", "none": None}
        self.assertEqual(run("[rows[0]['a'], name, none]", context)["value"], [1.5, "é", None])
        self.assertEqual(run("9", context)["value"], 9, "a context variable `_` is not an assignment")
        self.assertEqual(run("_ += 1", context)["value"], 4)

    def test_runs_do_not_share_names(self):
        run("leak = 1\nimport math")
        self.assertEqual(run("leak")["error"]["type"], "NameError")
        self.assertEqual(run("math")["error"]["type"], "NameError")
        self.assertIsNone(run("x = 1")["value"])

    def test_values_are_not_printed(self):
        with contextlib.redirect_stdout(io.StringIO()) as stdout:
            run("print('a', 1)\n5\nprint('b')")
        self.assertEqual(stdout.getvalue(), "a 1\nb\n")

    def test_warnings_show_the_line(self):
        with contextlib.redirect_stderr(io.StringIO()) as stderr:
            run("x = 1\nassert (x, 'always true')\n'\\d'")
            run("import datetime, types\nasync def f(): pass\nf()\n1")
        self.assertIn("main.py:2: SyntaxWarning", stderr.getvalue())
        self.assertIn("assert (x, 'always true')", stderr.getvalue())


if __name__ == "__main__":
    unittest.main()
