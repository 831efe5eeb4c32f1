"""Attributes by names that a program computes.

The validator refuses the names that it can read in a program. What is in here refuses the same names where a program
hands them over as a value: to `getattr` and its kin, to `operator.attrgetter` and `methodcaller`, in the fields of
format strings. This is policy, not the wall.

`str.format` is a method of a type that cannot be changed, so what a program reads from an attribute of that name goes
through `guarded`: `guard_formats` writes the call into the program's syntax tree. A literal whose fields are harmless
is left alone and costs nothing.
"""

import ast
import collections
import functools
import operator
import re
import string
import types
import unicodedata
from _string import formatter_field_name_split, formatter_parser

# The validator's list, from the recipe.
refused_names = frozenset()
# Those whose value matters: the rest of what `getattr` has to look at twice.
watched_names = frozenset()
# Finds format strings that need a closer look.
suspect_field = re.compile("")

# The name under which programs call `guarded`; no source text can spell it.
GUARD = "@str.format"
FORMAT_WORD = re.compile(r"\bformat")
NOT_GIVEN = object()


def install(names):
    """Sets the refused names, and guards the library's own Python that formats what a program gives it."""
    global refused_names, watched_names, suspect_field
    refused_names = frozenset(names)
    watched_names = refused_names | FORMATS.keys()
    suspect_field = re.compile(r"[.\[](?:%s)" % "|".join(map(re.escape, sorted(names))))
    string._string = types.SimpleNamespace(formatter_parser=formatter_parser, formatter_field_name_split=split_field)
    for name in FORMATS:
        setattr(collections.UserString, name, user_string_format(name))


def checked(name):
    """`name` itself, as what it really is if its class is made from `str`. Raises `AttributeError` if it is refused."""
    if issubclass(type(name), str):
        name = str.__str__(name)
        if name in refused_names:
            raise AttributeError(f"Attribute '{name}' is not allowed in sandbox")
    return name


def guarded_getattr(thing, name, default=NOT_GIVEN, /):
    """Takes the place of `getattr`."""
    if type(name) is not str or name in watched_names:
        name = checked(name)
        return guarded(getattr(thing, name) if default is NOT_GIVEN else getattr(thing, name, default))
    return getattr(thing, name) if default is NOT_GIVEN else getattr(thing, name, default)


def guarded_hasattr(thing, name, /):
    """Takes the place of `hasattr`."""
    if type(name) is str and name not in refused_names:
        return hasattr(thing, name)
    return hasattr(thing, checked(name))


def guarded_setattr(thing, name, value, /):
    """Takes the place of `setattr`."""
    setattr(thing, checked(name), value)


def guarded_delattr(thing, name, /):
    """Takes the place of `delattr`."""
    delattr(thing, checked(name))


def guarded_attrgetter(name, /, *names):
    """Takes the place of `operator.attrgetter`."""
    paths = [checked_path(each) for each in (name, *names)]
    if not any(name in FORMATS for path in paths for name in path):
        getter = operator.attrgetter(*map(".".join, paths))
        # The getter itself would give away its type, which makes others.
        return lambda thing, /: getter(thing)

    def get(thing, /):
        values = tuple(functools.reduce(guarded_getattr, path, thing) for path in paths)
        return values if names else values[0]

    return get


def checked_path(dotted):
    """The names in `a.b.c`. Raises `AttributeError` and, as CPython, `TypeError`."""
    if not issubclass(type(dotted), str):
        raise TypeError("attribute name must be a string")
    return list(map(checked, str.split(dotted, ".")))


def guarded_methodcaller(name, /, *args, **kwargs):
    """Takes the place of `operator.methodcaller`."""
    if not issubclass(type(name), str):
        raise TypeError("method name must be a string")
    name = checked(name)
    return lambda thing, /: guarded_getattr(thing, name)(*args, **kwargs)


def guarded(value):
    """`value`, if it may be used. If it is `format` or `format_map`, a string's must be harmless; those of `str` itself
    have stand-ins that look when they are called."""
    kind = type(value)
    if kind is types.BuiltinMethodType:
        if issubclass(type(value.__self__), str) and value.__name__ in FORMATS:
            check_template(str.__str__(value.__self__))
    elif kind is types.MethodDescriptorType and value in (str.format, str.format_map):
        return FORMATS[value.__name__]
    return value


def checked_format(template, /, *args, **kwargs):
    """Takes the place of `str.format`."""
    check_template(str.__str__(template))
    return str.format(template, *args, **kwargs)


def checked_format_map(template, mapping, /):
    """Takes the place of `str.format_map`."""
    check_template(str.__str__(template))
    return str.format_map(template, mapping)


FORMATS = {"format": checked_format, "format_map": checked_format_map}


def user_string_format(name):
    """The method of `collections.UserString`, which calls that of the string in it."""
    return lambda self, /, *args, **kwargs: guarded(getattr(self.data, name))(*args, **kwargs)


@functools.lru_cache(64)
def check_template(template):
    """Raises `AttributeError` if a field reaches for a refused name, and `ValueError` if there is no sense in it."""
    if suspect_field.search(template):
        for _, field, spec, _ in formatter_parser(template):
            if field:
                split_field(field)
            if spec:
                check_template(spec)


def split_field(field):
    """As `_string.formatter_field_name_split`. Raises `AttributeError` for a refused attribute or index."""
    first, rest = formatter_field_name_split(field)
    rest = [(is_attribute, checked(key)) for is_attribute, key in rest]
    return first, rest


def guard_formats(tree, source):
    """Passes what the program reads from attributes `format` and `format_map` through `guarded`."""
    if "format" not in source and source.isascii():
        return
    lines = lines_with_format(source)
    # A stack of its own: programs may be nested deeper than Python functions.
    stack = [tree] if lines else []
    while stack:
        node = stack.pop()
        # Patterns take nothing but names and attributes, and only compare with what they find.
        for field in ("guard", "body") if type(node) is ast.match_case else node._fields:
            child = getattr(node, field, None)
            if type(child) is list:
                stack += (item for item in child if is_worth_a_look(item, lines))
                child[:] = map(with_guard, child)
            elif is_worth_a_look(child, lines):
                stack.append(child)
                setattr(node, field, with_guard(child))


def lines_with_format(source):
    """The numbers of the lines where an attribute may be called `format`, counted as the parser does."""
    text = unicodedata.normalize("NFKC", source)
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return {number for number, line in enumerate(lines, 1) if FORMAT_WORD.search(line)}


def is_worth_a_look(child, lines):
    """Whether `child` is a part of the tree that may have something on one of the lines."""
    if isinstance(child, ast.expr):
        return not lines.isdisjoint(range(child.lineno, child.end_lineno + 1))
    return isinstance(child, ast.AST)


def with_guard(node):
    """`node`, or a call of `guarded` around it if it may be `str.format`."""
    if type(node) is not ast.Attribute or node.attr not in FORMATS or type(node.ctx) is not ast.Load:
        return node
    if type(node.value) is ast.Constant and is_harmless(node.value.value):
        return node
    name = ast.copy_location(ast.Name(GUARD, ast.Load()), node)
    return ast.copy_location(ast.Call(name, [node], []), node)


def is_harmless(constant):
    """Whether formatting this reaches for nothing that is refused."""
    try:
        if type(constant) is str:
            check_template(constant)
    except (AttributeError, ValueError):
        return False
    return True


BUILTINS = {
    "getattr": guarded_getattr,
    "hasattr": guarded_hasattr,
    "setattr": guarded_setattr,
    "delattr": guarded_delattr,
}
OPERATORS = {"attrgetter": guarded_attrgetter, "methodcaller": guarded_methodcaller}
for _name, _function in (BUILTINS | OPERATORS).items():
    _function.__name__ = _function.__qualname__ = _name  # as their messages have it
