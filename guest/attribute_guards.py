"""Refuses attribute access by name at run time.

The validator refuses names that appear in the source. This module refuses the same names when a program passes them as
values: to `getattr`, `hasattr`, `setattr` and `delattr`, to `operator.attrgetter` and `methodcaller`, to
`object.__setattr__`, and in the fields of format strings. This is policy, not the security boundary.

`str` and `object` are immutable, so `str.format` and `object.__setattr__` cannot be replaced. Instead,
`guard_attributes` rewrites the program's syntax tree: each read of an attribute called `format`, `format_map` or
`__setattr__` goes through `guarded`. A literal template with harmless fields is not rewritten and has no overhead.
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

# All refused names: the validator's list, from the recipe.
refused_names = frozenset()
# Those that are refused as attributes too. Programs may use the others, such as `open`, for attributes of their own.
refused_attributes = frozenset()
# The refused names of interpreter internals.
internals = frozenset()
# Names for which `getattr` takes the slow path: the refused ones, and those whose value must be checked.
watched_names = frozenset()
# Matches format strings whose fields must be parsed.
suspect_field = re.compile("")

# The name under which rewritten programs call `guarded`. It is not an identifier, so no source can contain it. It is
# too long for CPython to suggest it for a misspelled name.
GUARD = "@str.format, if its template reaches for nothing"
SETTER = "__setattr__"
# Matches lines whose attributes may have to be rewritten.
GUARDED_WORD = re.compile(rf"\bformat|\b{SETTER}\b")
# What may follow `__class__` in a field: `{0.__class__.__name__}` reaches a text only.
NAMES_OF_CLASSES = ("__name__", "__qualname__")
NOT_GIVEN = object()


def install(names, own_names):
    """Sets the refused names, and guards the Python code in the library that formats a program's templates. Programs
    may use `own_names` for attributes.
    """
    global refused_names, refused_attributes, internals, watched_names, suspect_field
    refused_names = frozenset(names)
    refused_attributes = refused_names.difference(own_names)
    internals = frozenset(name for name in names if "_" in name)
    watched_names = refused_attributes.union(FORMATS)
    suspect_field = re.compile(r"[.\[](?:%s)" % "|".join(map(re.escape, sorted(refused_attributes))))
    string._string = types.SimpleNamespace(formatter_parser=formatter_parser, formatter_field_name_split=split_field)
    for name in FORMATS:
        setattr(collections.UserString, name, vars(UserString)[name])
    # Class patterns read the attributes that `__match_args__` names. CPython does that in C.
    _executor.watch(internals.union(FORMATS), watch)


def checked(name, refused=None):
    """Returns `name`; an instance of a subclass of `str` becomes a plain `str`.

    Raises `AttributeError` if the name is in `refused`, by default `refused_attributes`.
    """
    if issubclass(type(name), str):
        name = str.__str__(name)
        if name in (refused_attributes if refused is None else refused):
            raise AttributeError(f"Attribute '{name}' is not allowed in sandbox")
    return name


def guarded_getattr(thing=NOT_GIVEN, name=NOT_GIVEN, default=NOT_GIVEN, /, *more, **keywords):
    """Replaces `getattr`. Calls with wrong arguments go to the real one, which raises CPython's own `TypeError`."""
    if more or keywords or name is NOT_GIVEN:
        given = [value for value in (thing, name, default) if value is not NOT_GIVEN]
        return getattr(*given, *more, **keywords)
    if type(name) is not str or name in watched_names:
        name = checked(name)
        return guarded(getattr(thing, name) if default is NOT_GIVEN else getattr(thing, name, default))
    return getattr(thing, name) if default is NOT_GIVEN else getattr(thing, name, default)


def guarded_hasattr(*args, **keywords):
    """Replaces `hasattr`."""
    return hasattr(*with_checked_name(args), **keywords)


def guarded_setattr(*args, **keywords):
    """Replaces `setattr`."""
    return setattr(*with_checked_name(args), **keywords)


def guarded_delattr(*args, **keywords):
    """Replaces `delattr`."""
    return delattr(*with_checked_name(args), **keywords)


def with_checked_name(args):
    """Returns `args` with the second one, an attribute's name, checked."""
    return (args[0], checked(args[1]), *args[2:]) if len(args) > 1 else args


def guarded_attrgetter(*args, **keywords):
    """Replaces `operator.attrgetter`."""
    paths = list(map(checked_path, args))
    getter = operator.attrgetter(*map(".".join, paths), **keywords)
    # Return a function, not the getter: its type would let the program create unguarded getters.
    if not any(name in FORMATS for path in paths for name in path):
        return lambda *args, **keywords: getter(*args, **keywords)

    def get(*args, **keywords):
        if len(args) != 1 or keywords:
            return getter(*args, **keywords)
        values = tuple(functools.reduce(guarded_getattr, path, args[0]) for path in paths)
        return values if len(values) > 1 else values[0]

    return get


def checked_path(dotted):
    """Returns the names in `a.b.c`. Raises `AttributeError` for a refused one, and `TypeError` as CPython does."""
    if not issubclass(type(dotted), str):
        raise TypeError("attribute name must be a string")
    return list(map(checked, str.split(dotted, ".")))


def guarded_methodcaller(*args, **keywords):
    """Replaces `operator.methodcaller`."""
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
    """Returns an attribute's `value`, or a replacement that is safe to use.

    If it is the bound `format` or `format_map` of a string, checks that string. The unbound `str.format` and
    `str.format_map` are replaced by functions that check the template at each call, and the `__setattr__` of built-in
    classes by functions that check the attribute's name.
    """
    kind = type(value)
    if kind is types.BuiltinMethodType:
        if issubclass(type(value.__self__), str) and value.__name__ in FORMATS:
            check_template(str.__str__(value.__self__))
    elif kind is types.MethodDescriptorType and value in (str.format, str.format_map):
        return FORMATS[value.__name__]
    elif kind in SETTERS and value.__name__ == SETTER:
        return checked_setter(value, SETTERS[kind])
    return value


def checked_setter(setter, place):
    """Returns a function that does what `setter` does, and checks the attribute's name: argument number `place`."""

    def set_attribute(*args, **keywords):
        if len(args) > place:
            args = (*args[:place], checked(args[place]), *args[place + 1 :])
        return setter(*args, **keywords)

    return set_attribute


def checked_format(*args, **keywords):
    """Replaces `str.format`."""
    check_first(args)
    return str.format(*args, **keywords)


def checked_format_map(*args, **keywords):
    """Replaces `str.format_map`."""
    check_first(args)
    return str.format_map(*args, **keywords)


def check_first(args):
    """Checks the template in `args`, the arguments of an unbound `format` or `format_map`."""
    if args and issubclass(type(args[0]), str):
        check_template(str.__str__(args[0]))


FORMATS = {"format": checked_format, "format_map": checked_format_map}
# Reads of these attributes are rewritten.
GUARDED = (*FORMATS, SETTER)
# The types of `object.__setattr__` and `super().__setattr__`: the position of the attribute's name in a call.
SETTERS = {types.WrapperDescriptorType: 1, types.MethodWrapperType: 0}


class UserString:
    """Replacements for two methods of `collections.UserString`. They guard the methods of the wrapped string."""

    def format(self, /, *args, **kwds):
        return guarded(self.data.format)(*args, **kwds)

    def format_map(self, mapping):
        return guarded(self.data.format_map)(mapping)


def watch(name, value):
    """Returns the value that a class pattern may use for an attribute with a watched `name`.

    CPython calls it with the attribute's `value`. Raises `AttributeError` if the name is refused.
    """
    checked(name, internals)
    return guarded(value)


@functools.lru_cache(64)
def check_template(template):
    """Raises `AttributeError` if a field accesses a refused name, and `ValueError` if the template is malformed."""
    if suspect_field.search(template):
        for _, field, spec, _ in formatter_parser(template):
            if field:
                split_field(field)
            if spec:
                check_template(spec)


def split_field(field):
    """Wraps `_string.formatter_field_name_split`. Raises `AttributeError` for a refused attribute or index."""
    first, rest = formatter_field_name_split(field)
    rest = list(rest)
    for (is_attribute, key), following in zip(rest, [*rest[1:], (False, "")]):
        if not (is_attribute and key == "__class__" and following[0] and following[1] in NAMES_OF_CLASSES):
            checked(key)
    return first, rest


def guard_attributes(tree, source):
    """Wraps each read in `tree` of an attribute in `GUARDED` in a call of `guarded`."""
    if "format" not in source and SETTER not in source and source.isascii():
        return
    lines = lines_to_guard(source)
    # An explicit stack, because programs may be nested deeper than Python's recursion limit.
    stack = [tree] if lines else []
    while stack:
        node = stack.pop()
        # Skip the patterns: their syntax allows no calls, and they only compare the attributes that they read.
        for field in ("guard", "body") if type(node) is ast.match_case else node._fields:
            child = getattr(node, field, None)
            if type(child) is list:
                stack += (item for item in child if is_worth_a_look(item, lines))
                child[:] = map(with_guard, child)
            elif is_worth_a_look(child, lines):
                stack.append(child)
                setattr(node, field, with_guard(child))


def lines_to_guard(source):
    """Returns the numbers of the lines that may name an attribute in `GUARDED`, counted as the parser counts lines."""
    text = unicodedata.normalize("NFKC", source)
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return {number for number, line in enumerate(lines, 1) if GUARDED_WORD.search(line)}


def is_worth_a_look(child, lines):
    """Returns whether `child` is a node that may contain code on one of the lines."""
    if isinstance(child, ast.expr):
        return not lines.isdisjoint(range(child.lineno, child.end_lineno + 1))
    return isinstance(child, ast.AST)


def with_guard(node):
    """Returns `node`, wrapped in a call of `guarded` if it may be `str.format` or `object.__setattr__`."""
    if type(node) is not ast.Attribute or node.attr not in GUARDED or type(node.ctx) is not ast.Load:
        return node
    if type(node.value) is ast.Constant and is_harmless(node.value.value):
        return node
    name = ast.copy_location(ast.Name(GUARD, ast.Load()), node)
    return ast.copy_location(ast.Call(name, [node], []), node)


def is_harmless(constant):
    """Returns whether `constant`, used as a template, accesses no refused name."""
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
