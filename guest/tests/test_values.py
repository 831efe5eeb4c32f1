"""Conversion of values to JSON."""

import contextlib
import io
import json
import unittest

from . import hidden_stderr, run

IMPORTS = """
import array, collections, dataclasses, datetime, decimal, enum, fractions, math, types, typing, uuid
from collections import ChainMap, Counter, OrderedDict, UserDict, defaultdict, deque, namedtuple
class Color(enum.Enum):
    RED = 1
    PAIR = (1, datetime.date(2024, 1, 2))
class Number(enum.IntEnum):
    ONE = 1
class Text(enum.StrEnum):
    A = "a"
class Labelled(int, enum.Enum):
    X = 1, "label"
    def __new__(cls, number, label):
        self = int.__new__(cls, number)
        self._value_ = label
        return self
class Flags(enum.Flag):
    A = 1
    B = 2
Pair = namedtuple("Pair", "a b")
@dataclasses.dataclass
class Data:
    x: object
    shared: typing.ClassVar[int] = 3
class D(dict): pass
class L(list): pass
class T(tuple): pass
class S(str): pass
class I(int): pass
class F(float): pass
class Box:
    def __repr__(self): return "<box>"
"""

VALUES = [
    ("None", None),
    ("[True, False, None, 0, -1, 1.5, '']", [True, False, None, 0, -1, 1.5, ""]),
    ("{'a': [{'b': {}}]}", {"a": [{"b": {}}]}),
    ("(1, (2,), ())", [1, [2], []]),
    ("{3, 1, 2}", [1, 2, 3]),
    ("frozenset('ba')", ["a", "b"]),
    ("set()", []),
    ("sorted(map(str, {1, 'a'}))", ["1", "a"]),
    ("len({1, 'a', None})", 3),
    ("[{(2, 1), (1, 2)}]", [[[1, 2], [2, 1]]]),
    ("range(3)", [0, 1, 2]),
    ("{'a': 1}.keys()", ["a"]),
    ("{'a': 1}.values()", [1]),
    ("{'a': 1}.items()", [["a", 1]]),
    ("OrderedDict(b=1, a=2).keys()", ["b", "a"]),
    ("UserDict(a=1).keys()", ["a"]),
    ("deque([1, 2], 5)", [1, 2]),
    ("datetime.datetime(2024, 5, 6, 7, 8, 9)", "2024-05-06T07:08:09"),
    ("datetime.datetime(2024, 5, 6, tzinfo=datetime.UTC)", "2024-05-06T00:00:00+00:00"),
    ("datetime.date(2024, 5, 6)", "2024-05-06"),
    ("datetime.time(7, 8)", "07:08:00"),
    ("datetime.timedelta(hours=1, milliseconds=500)", 3600.5),
    ("Color.RED", 1),
    ("Color.PAIR", [1, "2024-01-02"]),
    ("[Number.ONE, Text.A, Labelled.X, Flags.A | Flags.B]", [1, "a", "label", 3]),
    ("decimal.Decimal('1.10')", "1.10"),
    ("[decimal.Decimal('NaN')]", ["NaN"]),
    ("fractions.Fraction(1, 3)", "1/3"),
    ("1 + 2j", "(1+2j)"),
    ("b'abc'", "abc"),
    ("'é'.encode()", "é"),
    ("b'\\xff\\x00a'", "\\xff\x00a"),
    ("bytearray(b'x')", "x"),
    ("memoryview(b'xyz')[::2]", "xz"),
    ("Data(Data(1))", {"x": {"x": 1}}),
    ("dataclasses.make_dataclass('E', [])()", {}),
    ("Pair(1, {2})", [1, [2]]),
    ("Counter('aab')", {"a": 2, "b": 1}),
    ("defaultdict(list, a=[1])", {"a": [1]}),
    ("OrderedDict(b=1, a=2)", {"b": 1, "a": 2}),
    ("types.MappingProxyType({'a': 1})", {"a": 1}),
    ("ChainMap({'a': 1}, {'b': 2})", {"b": 2, "a": 1}),
    ("UserDict(a={1})", {"a": [1]}),
    ("[D(a=1), L([1]), T([1]), S('s'), I(5), F(1.5)]", [{"a": 1}, [1], [1], "s", 5, 1.5]),
    ("{1: 'a', 1.5: 'b', None: 'c', True: 'd'}", {"1": "d", "1.5": "b", "None": "c"}),
    ("{True: 1}", {"True": 1}),
    ("{(1, 2): 1, b'x': 2, datetime.date(2024, 1, 1): 3}", {"(1, 2)": 1, "b'x'": 2, "2024-01-01": 3}),
    ("{Number.ONE: 1, S('s'): 2, Text.A: 3}", {"1": 1, "s": 2, "a": 3}),
    ("{1: 'a', '1': 'b'}", {"1": "b"}),
    ("[math.nan, math.inf, -math.inf, 1e308 * 10]", [None] * 4),
    ("math.nan", None),
    ("{'a': (F('nan'), {math.nan})}", {"a": [None, [None]]}),
    ("{math.nan: 1}", {"nan": 1}),
    ("1e16", 1e16),
    ("2 ** 64", 2**64),
    ("-(10 ** 4000)", -(10**4000)),
    ("10 ** 400", 10**400),
    ("'\\ud800x'", "?x"),
    ("{'\\udfff': b'\\xed\\xa0\\x80'}", {"?": "\\xed\\xa0\\x80"}),
    ("'\\x00\\x1f\\u2028\"\\\\'", '\x00\x1f\u2028"\\'),
    ("'😀'", "😀"),
    ("(lambda x: [x, x])([1])", [[1], [1]]),
    ("(lambda x: [x, {1: x}])({1})", [[1], {"1": [1]}]),
]

REPRS = [
    ("Box()", "<box>"),
    ("[1, Box()]", [1, "<box>"]),
    ("{'a': (Box(),)}", {"a": ["<box>"]}),
    ("Data(Box())", {"x": "<box>"}),
    ("(x for x in [1]).__name__ and Data", "<class '__main__.Data'>"),
    ("len", "<built-in function len>"),
    ("Box", "<class '__main__.Box'>"),
    ("array.array('i', [1])", "array('i', [1])"),
    ("uuid.UUID(int=1)", "UUID('00000000-0000-0000-0000-000000000001')"),
    ("type('R', (), {'__repr__': lambda self: 'r' * 5000})()", "r" * 1000),
    ("ValueError('x')", "ValueError('x')"),
    ("types.SimpleNamespace(a=1)", "namespace(a=1)"),
]

NOT_CONSUMED = ["(print(x) for x in [1])", "map(print, [1])", "filter(print, [1])", "iter([1])", "zip([1])", "reversed([1])"]

FAILURES = [
    ("x = []\nx.append(x)\nx", "ValueError", "Return value contains a circular reference"),
    ("x = {}\nx['a'] = [x]\nx", "ValueError", "Return value contains a circular reference"),
    ("x = []\nx += [x, x, {1}]\nx", "ValueError", "Return value contains a circular reference"),
    ("x = Data(1)\nx.x = (x,)\nx", "ValueError", "Return value contains a circular reference"),
    ("x = 1\nfor i in range(101):\n  x = [x]\nx", "ValueError", "Return value is nested deeper than 100 levels"),
    ("x = {1}\nfor i in range(100):\n  x = {0: x}\nx", "ValueError", "Return value is nested deeper than 100 levels"),
    ("x = []\nfor i in range(100_000):\n  x = [x]\nx", "ValueError", "Return value is nested deeper than 100 levels"),
    ("class A:\n  def __repr__(self): raise KeyError('mine')\nA()", "KeyError", "'mine'"),
    ("class A:\n  def __str__(self): return 1 / 0\n{A(): 1}", "ZeroDivisionError", "division by zero"),
    ("class A(UserDict):\n  def items(self): return [1]\nA()", "TypeError", None),
    ("class A(tuple, enum.Enum):\n  X = (1, 2)\n  value = property(lambda s: s)\nA.X", "RecursionError", None),
    ("x = Data(1)\ndel x.x\nx", "AttributeError", None),
    ("x = memoryview(b'1')\nx.release()\nx", "ValueError", None),
    ("class A:\n  def __repr__(self): return 5\nA()", "TypeError", None),
    ("class A:\n  def __repr__(self): raise SystemExit(0)\nA()", "SystemExit", "0"),
]

# Values with misleading classes. Each must be converted by its real type.
HOSTILE = [
    ("class A:\n  __class__ = dict\n  def __repr__(self): return 'A'\nA()", "A", True),
    ("class A:\n  @property\n  def __class__(self): raise ValueError\n  def __repr__(self): return 'A'\n[A()]", ["A"], True),
    ("class A(dict):\n  def items(self): raise ValueError\n  def __iter__(self): 1 / 0\nA(a={1})", {"a": [1]}, False),
    ("class A(list):\n  def __iter__(self): raise ValueError\n  def __len__(self): return 0\n[A([1]), {1}]", [[1], [1]], False),
    ("class A(str):\n  def __str__(self): return 'no'\n  def encode(self): 1 / 0\n[{A('k'): A('v')}, {1}]", [{"k": "v"}, [1]], False),
    ("class A(int):\n  def __repr__(self): return 'no'\n  def __str__(self): return 'no'\nA(7)", 7, False),
    ("class A(float):\n  def __repr__(self): return 'no'\n  def __float__(self): return 9.0\nA(7.5)", 7.5, False),
    ("class A:\n  def __lt__(self, o): raise ValueError('no order')\n  def __repr__(self): return 'A'\n{A()}", ["A"], True),
    ("class A:\n  def __lt__(self, o): 1 / 0\n  def __repr__(self): return 'A'\n{A(), A()}", ["A", "A"], True),
    ("class M(type):\n  __mro__ = (dict,)\n  __name__ = property(lambda c: 1 / 0)\nclass A(metaclass=M):\n  def __repr__(self): return 'A'\nA()", "A", True),
    ("class A(Exception):\n  def __repr__(self): return 'x' * 10 ** 7\nA()", "x" * 1000, True),
]


class TestValues(unittest.TestCase):
    def value(self, expression):
        result = run(f"{IMPORTS}\n_ = {expression}")
        self.assertIsNone(result["error"])
        return result["value"], result["value_is_repr"]

    def test_values(self):
        for expression, value in VALUES:
            with self.subTest(expression):
                found, is_repr = self.value(expression)
                self.assertEqual(json.dumps(found), json.dumps(value))
                self.assertFalse(is_repr)

    def test_reprs(self):
        for expression, value in REPRS:
            with self.subTest(expression):
                self.assertEqual(self.value(expression), (value, True))

    def test_iterators_are_not_consumed(self):
        for expression in NOT_CONSUMED:
            with self.subTest(expression):
                with contextlib.redirect_stdout(io.StringIO()) as stdout:
                    value, is_repr = self.value(expression)
                self.assertRegex(value, "^<.*(object|generator)")
                self.assertTrue(is_repr)
                self.assertEqual(stdout.getvalue(), "")

    def test_failures(self):
        for code, kind, message in FAILURES:
            with self.subTest(code):
                result = run(f"{IMPORTS}\n{code}")
                self.assertIsNone(result["value"])
                self.assertEqual(result["error"]["type"], kind)
                if message:
                    self.assertEqual(result["error"]["message"], message)

    def test_hostile(self):
        for code, value, is_repr in HOSTILE:
            with self.subTest(code):
                result = run(code)
                self.assertIsNone(result["error"])
                self.assertEqual((result["value"], result["value_is_repr"]), (value, is_repr))

    def test_integers_with_too_many_digits(self):
        error = "contains an integer of more than 4300 digits: send it as hex() text"
        for value in ("10 ** 4300", "[10 ** 5000]", "{'a': -10 ** 4300}", "{10 ** 5000}", "1 << 5_000_000"):
            with self.subTest(value):
                result = run(value)
                self.assertIsNone(result["value"])
                self.assertEqual(result["error"]["message"], f"Return value {error}")
        self.assertEqual(run("10 ** 4300 - 1")["value"], 10**4300 - 1)

    def test_coroutines(self):
        for code in ("main()", "_ = main()", "[{'a': main()}]", "{1: main()}", "import asyncio\nawait asyncio.sleep(0)\nmain()"):
            with self.subTest(code), hidden_stderr():
                error = run(f"async def main(): pass\n{code}")["error"]
                self.assertEqual(error["type"], "UnawaitedCoroutineError")
                self.assertIn("main()", error["message"])
                self.assertIn("add `await`", error["hint"])

    def test_depth(self):
        nested = "x = 1\nfor i in range(100):\n  x = {}\nx"
        for container in ("[x]", "{'a': x}", "(x,)", "{0: x}", "UserDict(a=x)", "Data(x)"):
            with self.subTest(container):
                self.assertIsNone(run(IMPORTS + nested.format(container))["error"])
                deeper = run(IMPORTS + nested.format(container) + "\n[x]")["error"]
                self.assertEqual(deeper["message"], "Return value is nested deeper than 100 levels")

    def test_size(self):
        for code, size in (("'x' * 98", 100), ("'é' * 49", 100), ("[1] * 49 + [22]", 102), ("{'a' * 94: 1}", 100)):
            with self.subTest(code):
                self.assertIsNone(run(code, result_bytes_max=size)["error"])
                error = run(code, result_bytes_max=size - 1)["error"]
                self.assertEqual(error["type"], "ValueError")
                self.assertEqual(error["message"], f"Return value is {size} bytes; limit is {size - 1} bytes")

    def test_size_of_endless_values(self):
        endless = """
import collections, itertools
class Endless(collections.UserDict):
    def items(self):
        return ((i, i) for i in itertools.count())
"""
        for code in ("Endless()", "range(10 ** 12)", "x = []\nfor i in range(40):\n  x = [x, x]\nx"):
            with self.subTest(code):
                error = run(endless + code, result_bytes_max=1000)["error"]
                self.assertEqual(error["type"], "ValueError")
                self.assertIn("more than 1000 bytes; limit is 1000 bytes", error["message"])

    def test_many_records(self):
        code = "[{'id': i, 'name': f'n{i}', 'x': i / 3, 'on': True, 'tags': ['a', 'b']} for i in range(20_000)]"
        result = run(code, result_bytes_max=1 << 24)
        self.assertEqual(len(result["value"]), 20_000)
        self.assertEqual(result["value"][-1]["tags"], ["a", "b"])

