"""Attribute names, module names and source texts that a program passes to the library."""

import unittest

from . import run

PRELUDE = """
import contextlib, copy, dataclasses, enum, functools, json, pprint, types, typing
name = "__glo" + "bals__"
class Liar(str):
    __hash__ = lambda self: hash("real")
    __eq__ = lambda self, other: other == "real"
def hints(text, **names):
    return typing.get_type_hints(type("X", (), {"__annotations__": {"a": text}} | names))
"""

# Attempts that fail: (code, type of the error)
REFUSED = [
    ("functools.update_wrapper(types.SimpleNamespace(), json.dumps, assigned=[], updated=[name])", "AttributeError"),
    ("functools.wraps(json.dumps, assigned=[], updated=[Liar(name)])(types.SimpleNamespace())", "AttributeError"),
    ("functools.update_wrapper(types.SimpleNamespace(), json.dumps, assigned=[name], updated=[]).__wrapped__.x", "AttributeError"),
    ("hints('__import__(\"os\").abort')", "AttributeError"),
    ("hints('json.dumps.__globals__')", "AttributeError"),
    ("hints('(lambda: json.dumps.__globals__)()')", "AttributeError"),
    ("hints('\"{0.x}\".format(1)')", "AttributeError"),
    ("hints('open')", "NameError"),
    ("hints('abort', __module__='os')", "NameError"),
    ("hints('codecs', __module__='json')", "NameError"),
    ("typing.get_type_hints(hints, {}, {'hints': 1}); hints.__annotations__ = {'a': 'open'}; typing.get_type_hints(hints)", "NameError"),
    ("typing.ForwardRef('abort', module='os')._evaluate({}, {}, recursive_guard=frozenset())", "NameError"),
    ("f = lambda x: 1; f.__annotations__ = {'x': 'open'}; functools.singledispatch(print).register(f)", "NameError"),
    ("s = contextlib.redirect_stdout(None); s._stream = 'modules'; s.__enter__()", "AttributeError"),
    ("s = contextlib.redirect_stdout(None); s._stream = Liar('modules'); s.__enter__()", "AttributeError"),
    ("enum.Enum._convert_('E', 'os', lambda each: each == 'abort')", "KeyError"),
    ("enum.global_enum(enum.Enum('E', 'checked', module='guest_attribute_guards'))", "KeyError"),
    ("p = enum.property(); p._attr_type, p._cls_type, p.name = 'attr', json.dumps, name; p.__get__(1, enum.Enum)", "AttributeError"),
    ("dataclasses.dataclass(type('X', (), {'__annotations__': {'__getattri' + 'bute__': int}}))", "AttributeError"),
    ("dataclasses.dataclass(type('X', (), {'__annotations__': {'x=1,y': int}}))", "TypeError"),
    ("f = dataclasses.field(); f.name = name; X = dataclasses.make_dataclass('X', 'y'.split())\n"
     "X.__dataclass_fields__['y'].name = name; dataclasses.asdict(X(1))", "AttributeError"),
    ("class Y:\n  def __reduce_ex_(self, _): pass\ncopy._reconstruct(1, None, Y, (), (None, {name: 1}))", "AttributeError"),
]  # fmt: skip

# Programs that work as in CPython: (code, value)
WORKS = [
    ("@functools.wraps(hints)\ndef f(): pass\n[f.__name__, f.__wrapped__ is hints]", ["hints", True]),
    ("functools.update_wrapper(types.SimpleNamespace(), print, ('__name__',), ()).__name__", "print"),
    ("hints('list[int]')['a'] == list[int]", True),
    ("class N:\n  next: 'N | None'\ntyping.get_type_hints(N)['next'] == N | None", True),
    ("typing.get_type_hints(json.JSONDecoder)", {}),
    ("import io\ns = io.StringIO()\nwith contextlib.redirect_stdout(s): print(1)\ns.getvalue()", "1\n"),
    ("@dataclasses.dataclass(frozen=True, slots=True, order=True)\nclass C:\n  x: int = 1\n"
     "[C(), copy.copy(C(2)), C() < C(2), dataclasses.replace(C(), x=5), pprint.pformat(C())]",
     [{"x": 1}, {"x": 2}, True, {"x": 5}, "C(x=1)"]),
    ("dataclasses.make_dataclass('P', [('open', float), ('dir', int, 2)])(1)", {"open": 1, "dir": 2}),
    ("class E(enum.Enum):\n  A = 1\n  @property\n  def half(self): return self.value / 2\n[E.A.half, E(1).name]", [0.5, "A"]),
    ("class C(str, enum.Enum):\n  A = 'a'\n[C.A.upper(), copy.deepcopy(C.A) is C.A]", ["A", True]),
    ("@enum.global_enum\nclass F(enum.Flag):\n  RED = 1\nRED.value", 1),
    ("@functools.singledispatch\ndef f(x): return 'any'\n@f.register\ndef _(x: 'int'): return 'int'\nf(1)", "int"),
    ("@functools.total_ordering\nclass T:\n  def __eq__(s, o): return True\n  def __lt__(s, o): return False\nT() >= T()", True),
    ("class D(typing.TypedDict):\n  x: 'int'\n[typing.get_type_hints(D)['x'] is int, typing.List[int].__origin__ is list]", [True, True]),
]  # fmt: skip


class TestLibraryGuards(unittest.TestCase):
    def test_refused(self):
        for code, kind in REFUSED:
            with self.subTest(code):
                error = run(PRELUDE + code)["error"]
                self.assertEqual(error and error["type"], kind, error)

    def test_works(self):
        for code, value in WORKS:
            with self.subTest(code):
                result = run(PRELUDE + code)
                self.assertIsNone(result["error"])
                self.assertEqual(result["value"], value)


if __name__ == "__main__":
    unittest.main()
