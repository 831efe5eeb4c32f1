"""Attributes by names that a program computes.

The validator refuses the names that it can read in a program. What is in here refuses the same names where a program
hands them over as a value: to `getattr` and its kin, to `operator.attrgetter` and `methodcaller`, in the fields of
format strings. This is policy, not the wall.

`str.format` is a method of a type that cannot be changed, so what a program reads from an attribute of that name goes
through `guarded`: `guard_formats` writes the call into the program's syntax tree. A literal whose fields are harmless
is left alone and costs nothing.
"""

import ast
import builtins
import collections
import functools
import operator
import re
import string
import types
import unicodedata
from _string import formatter_field_name_split, formatter_parser

import _executor

# The validator's list, from the recipe.
refused_names = frozenset()
# Those of them that belong to the interpreter's objects. Others, such as `open`, a program may use for its own data.
internals = frozenset()
# Those whose value matters: the rest of what `getattr` has to look at twice.
watched_names = frozenset()
# Finds format strings that need a closer look.
suspect_field = re.compile("")

# The name under which programs call `guarded`; no source text can spell it, and it is too long to be suggested for another.
GUARD = "@str.format, if its template reaches for nothing"
FORMAT_WORD = re.compile(r"\bformat")
NOT_GIVEN = object()


def install(names):
    """Sets the refused names, and guards the library's own Python that formats what a program gives it."""
    global refused_names, internals, watched_names, suspect_field
    refused_names = frozenset(names)
    internals = frozenset(name for name in names if "_" in name)
    watched_names = refused_names.union(FORMATS)
    suspect_field = re.compile(r"[.\[](?:%s)" % "|".join(map(re.escape, sorted(names))))
    string._string = types.SimpleNamespace(formatter_parser=formatter_parser, formatter_field_name_split=split_field)
    for name in FORMATS:
        setattr(collections.UserString, name, vars(UserString)[name])
    # `__match_args__` names attributes too, and CPython itself reads them.
    _executor.watch(internals.union(FORMATS), watch)


def checked(name, refused=None):
    """`name` itself, as what it really is if its class is made from `str`. Raises `AttributeError` if it is one of
    `refused`, by default the validator's names."""
    if issubclass(type(name), str):
        name = str.__str__(name)
        if name in (refused_names if refused is None else refused):
            raise AttributeError(f"Attribute '{name}' is not allowed in sandbox")
    return name


def guarded_getattr(thing=NOT_GIVEN, name=NOT_GIVEN, default=NOT_GIVEN, /, *more, **keywords):
    """Takes the place of `getattr`, which itself tells what is wrong with a call."""
    if more or keywords or name is NOT_GIVEN:
        given = [value for value in (thing, name, default) if value is not NOT_GIVEN]
        return getattr(*given, *more, **keywords)
    if type(name) is not str or name in watched_names:
        name = checked(name)
        return guarded(getattr(thing, name) if default is NOT_GIVEN else getattr(thing, name, default))
    return getattr(thing, name) if default is NOT_GIVEN else getattr(thing, name, default)


def guarded_hasattr(*args, **keywords):
    """Takes the place of `hasattr`."""
    return hasattr(*with_checked_name(args), **keywords)


def guarded_setattr(*args, **keywords):
    """Takes the place of `setattr`."""
    return setattr(*with_checked_name(args), **keywords)


def guarded_delattr(*args, **keywords):
    """Takes the place of `delattr`."""
    return delattr(*with_checked_name(args), **keywords)


def with_checked_name(args):
    """The arguments of one of these, whose second is a name."""
    return (args[0], checked(args[1]), *args[2:]) if len(args) > 1 else args


def guarded_attrgetter(*args, **keywords):
    """Takes the place of `operator.attrgetter`."""
    paths = list(map(checked_path, args))
    getter = operator.attrgetter(*map(".".join, paths), **keywords)
    # The getter itself would give away its type, which makes others.
    if not any(name in FORMATS for path in paths for name in path):
        return lambda *args, **keywords: getter(*args, **keywords)

    def get(*args, **keywords):
        if len(args) != 1 or keywords:
            return getter(*args, **keywords)
        values = tuple(functools.reduce(guarded_getattr, path, args[0]) for path in paths)
        return values if len(values) > 1 else values[0]

    return get


def checked_path(dotted):
    """The names in `a.b.c`. Raises `AttributeError` and, as CPython, `TypeError`."""
    if not issubclass(type(dotted), str):
        raise TypeError("attribute name must be a string")
    return list(map(checked, str.split(dotted, ".")))


def guarded_methodcaller(*args, **keywords):
    """Takes the place of `operator.methodcaller`."""
    names, others = list(map(checked, args[:1])), args[1:]
    caller = operator.methodcaller(*names, *others, **keywords)
    if names[0] not in FORMATS:
        return lambda *args, **keywords: caller(*args, **keywords)

    def call(*things, **more):
        if len(things) != 1 or more:
            return caller(*things, **more)
        return guarded_getattr(things[0], names[0])(*others, **keywords)

    return call


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


def checked_format(*args, **keywords):
    """Takes the place of `str.format`."""
    check_first(args)
    return str.format(*args, **keywords)


def checked_format_map(*args, **keywords):
    """Takes the place of `str.format_map`."""
    check_first(args)
    return str.format_map(*args, **keywords)


def check_first(args):
    """Looks at the template that such a method is called with."""
    if args and issubclass(type(args[0]), str):
        check_template(str.__str__(args[0]))


FORMATS = {"format": checked_format, "format_map": checked_format_map}


class UserString:
    """Methods of `collections.UserString`, which call those of the string in it."""

    def format(self, /, *args, **kwds):
        return guarded(self.data.format)(*args, **kwds)

    def format_map(self, mapping):
        return guarded(self.data.format_map)(mapping)


def watch(name, value):
    """What a class pattern may have of the `value` that it finds in an attribute of a watched name. Raises `AttributeError`."""
    checked(name, internals)
    return guarded(value)


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
for _module, _functions in ((builtins, BUILTINS), (operator, OPERATORS)):
    for _name, _function in _functions.items():
        _function.__name__ = _function.__qualname__ = _name
        _function.__module__, _function.__doc__ = _module.__name__, vars(_module)[_name].__doc__
