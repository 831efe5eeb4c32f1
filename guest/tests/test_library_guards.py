"""Attribute names, module names and source texts that a program passes to the library."""

import unittest

from . import run

PRELUDE = """
import argparse, ast, codecs, contextlib, copy, dataclasses, enum, functools, inspect, io, json, logging, pprint, timeit, types
import typing, weakref
name = "__glo" + "bals__"
class Liar(str):
    __hash__ = lambda self: hash("real")
    __eq__ = lambda self, other: other == "real"
def hints(text, **names):
    return typing.get_type_hints(type("X", (), {"__annotations__": {"a": text}} | names))
"""

# Attempts that fail: (code, type of the error)
REFUSED = [
    ("p = argparse.ArgumentParser(); p.set_defaults(**{name: 1}); p.parse_args([])", "AttributeError"),
    ("p = argparse.ArgumentParser(); p.add_argument('-x', dest=name, action='append'); p.parse_args(['-x', '1'], json.dumps)", "AttributeError"),
    ("codecs.StreamReaderWriter(json.dumps, lambda *_: 1, lambda *_: 1).__getattr__(name)", "AttributeError"),
    ("codecs.StreamReader.__getattr__(types.SimpleNamespace(stream=json.dumps), name)", "AttributeError"),
    ("f = logging.Formatter('{x.' + name + '}', style='{')\nf.format(logging.makeLogRecord({'x': json.dumps}))", "AttributeError"),
    ("timeit.timeit('json.dumps.' + name, globals={'json': json}, number=1)", "AttributeError"),
    ("timeit.timeit('\"{0.' + name + '}\".format(f)', globals={'f': hints}, number=1)", "AttributeError"),
    ("timeit.timeit('import os', number=1)", "ImportError"),
    ("timeit.timeit('open(1)', number=1)", "NameError"),
    ("timeit.timeit('gc', number=1)", "NameError"),
    ("inspect.get_annotations(types.SimpleNamespace(__annotations__={'a': name}), eval_str=True)", "TypeError"),
    ("class C: x: 'json.dumps.__globals__'\ninspect.get_annotations(C, eval_str=True)", "AttributeError"),
    ("def f(x: 'open'): pass\ninspect.signature(f, eval_str=True)", "NameError"),
    ("class F: pass\nobject.__setattr__(hints, name, 1)", "AttributeError"),
    ("class F:\n  def set(self, n): super().__setattr__(n, 1)\nF().set('__cla' + 'ss__')", "AttributeError"),
    ("class F: pass\nset = type.__setattr__\nset(F, '__ba' + 'ses__', ())", "AttributeError"),
    ("class F: pass\nlist(map(object.__setattr__, [F()], ['__di' + 'ct__'], [1]))", "AttributeError"),
    ("functools.update_wrapper(types.SimpleNamespace(), json.dumps, assigned=[], updated=[name])", "AttributeError"),
    ("functools.wraps(json.dumps, assigned=[], updated=[Liar(name)])(types.SimpleNamespace())", "AttributeError"),
    ("functools.update_wrapper(types.SimpleNamespace(), json.dumps, assigned=[name], updated=[]).__wrapped__.x", "AttributeError"),
    ("hints('__import__(\"os\").abort')", "AttributeError"),
    ("hints('json.dumps.__globals__')", "AttributeError"),
    ("hints('(lambda: json.dumps.__globals__)()')", "AttributeError"),
    ("hints('\"{0.x}\".format(1)')", "AttributeError"),
    ("hints('open')", "NameError"),
    ("hints('abort', __module__='os')", "NameError"),
    ("hints('_sys.modules', __module__='collections')", "AttributeError"),
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
    # `iter_fields` leaves out what cannot be read.
    ("json.dumps._fields = [name, 'real']; json.dumps.real = 1; list(ast.iter_fields(json.dumps))", [["real", 1]]),
    ("import traceback\ndef f(): return [frame.name for frame in traceback.extract_stack()]\nf()", ["<module>", "f"]),
    ("class P:\n  def __setattr__(self, n, v):\n    object.__setattr__(self, n, v * 2)\np = P(); p.x = 2; p.x", 4),
    ("class P:\n  def __setattr__(self, n, v):\n    super().__setattr__(n, v + 1)\np = P(); p.x = 2; p.x", 3),
    ("class P: pass\np = P(); p.__setattr__('x', 5); object.__setattr__(p, 'y', 6); [p.x, p.y]", [5, 6]),
    ("'{0.__class__.__name__} {0.__class__.__qualname__}'.format(1)", "int int"),
    ("timeit.timeit('x = \"{}\".format(1); math.sqrt(2)', 'import math', number=2) >= 0", True),
    ("timeit.timeit(lambda: 1, number=3) >= 0 and timeit.repeat('pass', number=1, repeat=2)[0] >= 0", True),
    ("p = argparse.ArgumentParser(prog='p'); p.add_argument('n', type=int); p.add_argument('--open', action='store_true')\n"
     "a = p.parse_args(['3', '--open']); [a.n, a.open, dict(a._get_kwargs())]", [3, True, {"n": 3, "open": True}]),
    ("ast.literal_eval(\"{'a': [1, (2,)]}\")", {"a": [1, [2]]}),
    ("class V(ast.NodeVisitor):\n  def visit_Name(self, node): seen.append(node.id)\nseen = []\nV().visit(ast.parse('a + b(c)'))\nseen", ["a", "b", "c"]),
    ("class T(ast.NodeTransformer):\n  def visit_Constant(self, n): return ast.Constant(n.value + 1)\nast.unparse(T().visit(ast.parse('f(1)')))", "f(2)"),
    ("codecs.getwriter('utf-8')(io.BytesIO()).closed", False),
    ("s = io.StringIO(); h = logging.StreamHandler(s); h.setFormatter(logging.Formatter('{levelname}:{message}', style='{'))\n"
     "l = logging.getLogger('w'); l.addHandler(h); l.warning('%d!', 1); l.removeHandler(h); s.getvalue()", "WARNING:1!\n"),
    ("def f(a, *, b: int = 2): pass\nstr(inspect.signature(f))", "(a, *, b: int = 2)"),
    ("def f():\n  return 1\ninspect.getsource(f)", "def f():\n  return 1\n"),
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
