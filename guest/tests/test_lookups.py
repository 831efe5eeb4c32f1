"""Names that a program computes."""

import unittest

from . import run

REFUSED = "Attribute '__class__' is not allowed in sandbox"

# Setup in front of each: a refused name that no text spells, and a class that lies about its own.
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

# What works as in CPython: (code, value)
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
    ("getattr()", "TypeError: getattr() missing 2 required positional arguments: 'thing' and 'name'"),
    ("hasattr(1, None)", "TypeError: attribute name must be string, not 'NoneType'"),
    ("operator.attrgetter(5)", "TypeError: attribute name must be a string"),
    ("operator.methodcaller(5)", "TypeError: method name must be a string"),
    ("t = '{'; t.format(1)", "ValueError: Single '{' encountered in format string"),
    ("t = '{.__class__'; t.format(1)", "ValueError: expected '}' before end of string"),
    ("t = '{0.nothing}'; t.format(1)", "AttributeError: 'int' object has no attribute 'nothing'"),
    ("(1).format", "AttributeError: 'int' object has no attribute 'format'"),
]


class TestLookups(unittest.TestCase):
    def test_refused_names(self):
        for code in REACHES:
            with self.subTest(code):
                error = run(PRELUDE + code)["error"]
                self.assertEqual((error["type"], error["message"]), ("AttributeError", REFUSED))
                self.assertEqual(error["line"], PRELUDE.count("\n") + 1)
                self.assertEqual(error["hint"], "Use type(x).")

    def test_what_works(self):
        for code, value in WORKS:
            with self.subTest(code[:200]):
                result = run(PRELUDE + code)
                self.assertIsNone(result["error"])
                self.assertEqual(result["value"], value)

    def test_errors_are_those_of_cpython(self):
        for code, message in ERRORS:
            with self.subTest(code):
                error = run(PRELUDE + code)["error"]
                self.assertEqual(f"{error['type']}: {error['message']}", message)

    def test_look_alikes_are_other_names(self):
        self.assertIn("has no attribute '__ｃlass__'", run("getattr(1, '__ｃlass__')")["error"]["message"])

    def test_the_guard_has_no_name(self):
        for name in ("guarded", "str_format", "format_"):
            hint = run(name)["error"]["hint"] or ""
            self.assertNotIn("@", hint)
