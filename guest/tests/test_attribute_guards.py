"""Attribute access by names that a program computes."""

import json
import subprocess
import sys
import unittest

from . import run

REFUSED = "Attribute '__class__' is not allowed in sandbox"

# Prepended to each program: a refused name that does not appear in the source, and a `str` subclass that claims another
# value than its own.
PRELUDE = """
import collections, functools, operator, string
name = "__cl" + "ass__"
field = "{0." + name + "}"
class Liar(str):
    __hash__ = lambda self: hash("real")
    __eq__ = lambda self, other: other == "real"
    __str__ = __repr__ = lambda self: "real"
class Thing:
    real = 1
"""

REACHES = """
getattr(1, name)
getattr(1, name, None)
getattr(1, Liar(name))
list(map(getattr, [1], [name]))
functools.partial(getattr, 1)(name)
hasattr(1, name)
hasattr(1, Liar(name))
setattr(Thing, name, 1)
delattr(Thing, name)
operator.attrgetter(name)
operator.attrgetter("real." + name)
operator.attrgetter("real", name)
operator.attrgetter(Liar(name))
operator.methodcaller(name)
operator.methodcaller("format", 1)(field)
operator.attrgetter("format.__call__")(field)
field.format(1)
field.format_map({"0": 1})
"{0.__class__}".format(1)
"{0.real.__class__}".format(1)
"{0[__class__]}".format({})
"{0:{1.__class__}}".format(1, 1)
str.format(field, 1)
str.format_map(field, [1])
Liar(field).format(1)
getattr(field, "format")(1)
list(map(str.format, [field], [1]))
string.Formatter().format(field, 1)
collections.UserString(field).format(1)
[f"{field.format(1)}"]
(lambda: field.format(1))()
""".strip().splitlines()

# Programs that work as in CPython: (code, value)
WORKS = [
    ("getattr(1, 'real')", 1),
    ("getattr(1, 'nothing', 5)", 5),
    ("getattr(1, 'nothing', None) is None", True),
    ("getattr(Thing, Liar('real'))", 1),
    ("getattr('{}', 'format')(1)", "1"),
    ("[hasattr(1, 'real'), hasattr(1, 'nothing')]", [True, False]),
    ("setattr(Thing, 'real', 2); Thing.real", 2),
    ("delattr(Thing, 'real'); hasattr(Thing, 'real')", False),
    ("operator.attrgetter('real')(1)", 1),
    ("operator.attrgetter('real', 'real.imag')(1)", [1, 0]),
    ("operator.attrgetter('format', 'lower')('{}')[0](1)", "1"),
    ("operator.methodcaller('split', ',', maxsplit=1)('a,b,c')", ["a", "b,c"]),
    ("'{:.2f} {!r:>4} {x.real} {y[a]}'.format(1, 2, x=3, y={'a': 4})", "1.00    2 3 4"),
    ("'see {} in __class__.txt [__class__]'.format(1)", "see 1 in __class__.txt [__class__]"),
    ("t = '{:>{}}'; t.format(1, 3)", "  1"),
    ("str.format('{}', 1) + str.format_map('{x}', {'x': 2})", "12"),
    ("collections.UserString('{x}').format(x=1)", "1"),
    ("string.Formatter().format('{0.real} {x[0]}', 1, x=[2])", "1 2"),
    ("[m for m in map('<{}>'.format, range(2))]", ["<0>", "<1>"]),
    ("class F:\n  def format(self): return 5\n[F().format(), getattr(F(), 'format')()]", [5, 5]),
    ("class F:\n  format = 5\nF.format = 6\nF.format", 6),
    ("class F:\n  format = 5\nmatch 5:\n  case F.format: 'matched'", "matched"),
    ("class F:\n  format = 5\ndel F.format\nhasattr(F, 'format')", False),
    ("'a' + 'b' * 2 + '{}'.format(1) " + "+ 'x'" * 200 + "\n1", 1),
]

# (code, error)
ERRORS = [
    ("getattr(1, 'nothing')", "AttributeError: 'int' object has no attribute 'nothing'"),
    ("getattr(1, 5)", "TypeError: attribute name must be string, not 'int'"),
    ("hasattr(1, None)", "TypeError: attribute name must be string, not 'NoneType'"),
    ("operator.attrgetter(5)", "TypeError: attribute name must be a string"),
    ("operator.methodcaller(5)", "TypeError: method name must be a string"),
    ("t = '{'; t.format(1)", "ValueError: Single '{' encountered in format string"),
    ("t = '{.__class__'; t.format(1)", "ValueError: expected '}' before end of string"),
    ("t = '{0.nothing}'; t.format(1)", "AttributeError: 'int' object has no attribute 'nothing'"),
    ("(1).format", "AttributeError: 'int' object has no attribute 'format'"),
]


# Calls of guarded functions that fail, with wrong or with correct arguments. The errors equal CPython's own.
CALLS = """
getattr() getattr(1) getattr(1,2,3,4) getattr(1,5) getattr(1,'real',x=1) getattr(x=1) getattr(1,None,2)
hasattr() hasattr(1) hasattr(1,2) hasattr(1,2,3) hasattr(1,'a',b=2) hasattr(obj=1)
setattr() setattr(1) setattr(1,2) setattr(1,2,3) setattr(1,'a',3) setattr(1,'a',3,4) setattr(1,'a',value=3)
delattr() delattr(1) delattr(1,2) delattr(1,'a') delattr(1,'a',3) delattr(1,name='a')
operator.attrgetter() operator.attrgetter(1) operator.attrgetter('a',x=1) operator.attrgetter(x=1)
operator.attrgetter('real')() operator.attrgetter('real')(1,2) operator.attrgetter('real')(x=1)
operator.attrgetter('format')() operator.attrgetter('format')(1,2) operator.attrgetter('')(1)
operator.methodcaller() operator.methodcaller(1) operator.methodcaller(x=1) operator.methodcaller('upper')()
operator.methodcaller('upper')('a','b') operator.methodcaller('upper')(x=1) operator.methodcaller('upper',1)('a')
operator.methodcaller('format')() operator.methodcaller('format')('a','b')
str.format() str.format(5) str.format('{}') str.format(5,x=1) str.format_map() str.format_map('a')
str.format_map('a',1,2) str.format_map(5,{}) str.format_map('a',mapping={}) '{}'.format() '{}'.format_map()
'{x}'.format_map({}) '{x}'.format_map(5)
collections.UserString('a').format_map() collections.UserString.format() collections.UserString('{}').format()
collections.UserString.format_map() collections.UserString.format_map(5,1)
string.Formatter().format() string.Formatter.format() string.Formatter().format('{}')
string.Formatter().get_field('a.b',(),{}) string.Formatter().format('{a.}',a=1)
functools.wraps() functools.update_wrapper() functools.update_wrapper(print) functools.wraps(print,5)(print)
functools.update_wrapper(print,print) functools.wraps(print,assigned=[5])(lambda:1) functools.wraps(print,x=1)
""".split()


# Runs in a separate interpreter, because the guards change some classes in place.
NATIVELY = """
import collections, functools, json, operator, string, sys
errors = {}
for code in json.load(sys.stdin):
    try:
        eval(code)
    except Exception as error:
        errors[code] = f"{type(error).__name__}: {error}"
json.dump(errors, sys.stdout)
"""


def native_errors(codes):
    """Returns the error that an unguarded CPython raises for each expression."""
    done = subprocess.run([sys.executable, "-c", NATIVELY], input=json.dumps(codes), capture_output=True, text=True, timeout=60)
    return json.loads(done.stdout)


class TestAttributeGuards(unittest.TestCase):
    def test_failing_calls_raise_cpythons_errors(self):
        errors = native_errors(CALLS)
        self.assertEqual(list(errors), CALLS)
        for code, message in errors.items():
            with self.subTest(code):
                error = run(PRELUDE + code)["error"]
                self.assertEqual(f"{error['type']}: {error['message']}", message)

    def test_refused_names(self):
        for code in REACHES:
            with self.subTest(code):
                error = run(PRELUDE + code)["error"]
                self.assertEqual((error["type"], error["message"]), ("AttributeError", REFUSED))
                self.assertEqual(error["line"], PRELUDE.count("\n") + 1)
                self.assertEqual(error["hint"], "Use type(x), or x.__class__.__name__ for its name.")

    def test_works(self):
        for code, value in WORKS:
            with self.subTest(code[:200]):
                result = run(PRELUDE + code)
                self.assertIsNone(result["error"])
                self.assertEqual(result["value"], value)

    def test_errors_equal_cpythons(self):
        for code, message in ERRORS:
            with self.subTest(code):
                error = run(PRELUDE + code)["error"]
                self.assertEqual(f"{error['type']}: {error['message']}", message)

    def test_look_alike_names_are_not_normalized(self):
        self.assertIn("has no attribute '__ｃlass__'", run("getattr(1, '__ｃlass__')")["error"]["message"])

    def test_hints_never_suggest_the_guard(self):
        for name in ("guarded", "str_format", "format_"):
            hint = run(name)["error"]["hint"] or ""
            self.assertNotIn("@", hint)
