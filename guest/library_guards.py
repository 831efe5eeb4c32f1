"""Where the library reads attributes by names, looks modules up or runs text that a program chose.

`functools.wraps` copies what `assigned` names, `dataclasses` writes functions with a program's names in them and runs
their text, `typing` runs annotations that are text, and all of them find modules by what a class says of itself. The
library's own modules stay as they are, but what they call `getattr`, `setattr`, `eval`, `exec` and `sys` is in here, once
there are programs. This is policy, not the wall.
"""

import contextlib
import copy
import dataclasses
import enum
import functools
import inspect
import pprint
import sys
import types
import typing

import guest_guards
import guest_attribute_guards
import guest_views

# What `redirect_stdout` and `redirect_stderr` exchange.
STREAMS = ("stdout", "stderr")
# Names that a module's own code asks for: they cannot be told from those of a program.
OWN_NAMES = {
    copy: {"__reduce__", "__reduce_ex__"},
    dataclasses: {"__class__", "__setattr__"},
    enum: {"__dict__", "__reduce_ex__"},
    functools: {"__dict__"},
    pprint: set(),
    typing: {"__dict__", "__func__", "__globals__", "__init_subclass__"},
}
# Those of them that set attributes by names.
SETTERS = (copy, dataclasses, functools)


def install():
    """Puts the guards into the library; call it when the views are made, which must not show them."""
    for module, own_names in OWN_NAMES.items():
        module.getattr = getattr_without(guest_attribute_guards.internals - own_names)
    for module in SETTERS:
        module.setattr = setattr_without(guest_attribute_guards.internals - OWN_NAMES[module])
    contextlib.getattr, contextlib.setattr = getattr_of_streams, setattr_of_streams
    typing.eval = inspect.eval = evaluate
    dataclasses.exec = make_functions
    dataclasses._get_field = field_with_checked_name(dataclasses._get_field)
    dataclasses._dataclass_setstate = set_state_of_dataclass
    typing.sys = enum.sys = dataclasses.sys = seen_sys()


# ---- names


def getattr_without(refused):
    """A `getattr` for the library's own code, to which the names in `refused` are not allowed."""

    def getattr_of_library(thing, name, *default):
        if type(name) is str and name not in refused and name not in guest_attribute_guards.FORMATS:
            return getattr(thing, name, *default)
        return guest_attribute_guards.guarded(getattr(thing, guest_attribute_guards.checked(name, refused), *default))

    return getattr_of_library


def setattr_without(refused):
    """A `setattr` for the library's own code, to which the names in `refused` are not allowed."""

    def setattr_of_library(thing, name, value):
        setattr(thing, guest_attribute_guards.checked(name, refused), value)

    return setattr_of_library


def stream_name(name):
    """`name`, if it is that of a stream. Raises `AttributeError`: all of `sys` could be had in this way."""
    if type(name) is str and name not in STREAMS:
        raise AttributeError(f"Attribute '{name}' is not allowed in sandbox")
    return name


def getattr_of_streams(thing, name, *default):
    """The `getattr` of `contextlib`."""
    if thing is sys:
        name = stream_name(guest_attribute_guards.checked(name))
    return getattr(thing, name, *default)


def setattr_of_streams(thing, name, value):
    """The `setattr` of `contextlib`."""
    setattr(thing, stream_name(guest_attribute_guards.checked(name)) if thing is sys else name, value)


def field_with_checked_name(get_field):
    """`dataclasses._get_field`, which makes a field of an annotation, for names that can be in a function's text."""

    @functools.wraps(get_field)
    def checked_get_field(cls, name, *args):
        if type(name) is str and not str.isidentifier(name):
            raise TypeError(f"Field names must be valid identifiers: {name!r}")
        return get_field(cls, name, *args)

    return checked_get_field


def set_state_of_dataclass(self, state):
    """Takes the place of `dataclasses._dataclass_setstate`."""
    for field, value in zip(dataclasses.fields(self), state):
        object.__setattr__(self, guest_attribute_guards.checked(field.name, guest_attribute_guards.internals), value)


# ---- texts


def evaluate(source, globals=None, locals=None):
    """The `eval` of `typing` and `inspect`, for annotations: with the builtins and modules that programs see."""
    code = compile(source, "<string>", "eval", dont_inherit=True) if isinstance(source, str) else source
    vet(code, guest_attribute_guards.internals.union(guest_attribute_guards.FORMATS))
    return eval(code, seen_globals(globals), locals)


def make_functions(source, globals, locals):
    """The `exec` of `dataclasses`, for the text of methods that it writes."""
    code = compile(source, "<string>", "exec", dont_inherit=True)
    vet(code, guest_attribute_guards.internals - OWN_NAMES[dataclasses])
    exec(code, seen_globals(globals), locals)


def vet(code, refused):
    """Raises `AttributeError` if the code, or a function in it, uses one of the names."""
    codes = [code]
    while codes:
        code = codes.pop()
        for name in refused.intersection(code.co_names):
            guest_attribute_guards.checked(name, refused)
        codes += (part for part in code.co_consts if type(part) is types.CodeType)


def seen_globals(namespace):
    """A namespace for text: what a program sees of it, with the program's builtins."""
    if not isinstance(namespace, dict) or namespace.get("__builtins__") is guest_guards.user_builtins:
        return namespace
    name = namespace.get("__name__")
    module = sys.modules.get(name) if type(name) is str else None
    if module is not None and vars(module) is namespace:
        namespace = vars(seen_modules.get(name, types.ModuleType(name)))
    return {**namespace, "__builtins__": guest_guards.user_builtins}


# ---- modules


class SeenModules:
    """`sys.modules` as a program may know it: its own, and the views."""

    def get(self, name, default=None):
        if type(name) is str and name == "__main__":
            return sys.modules.get(name, default)
        view = guest_views.view_of(name) if type(name) is str else guest_views.ABSENT
        return default if view is guest_views.ABSENT else view

    def __contains__(self, name):
        return self.get(name) is not None

    def __getitem__(self, name):
        module = self.get(name)
        if module is None:
            raise KeyError(name)
        return module


seen_modules = SeenModules()


def seen_sys():
    """`sys` for modules of the library that look up where a class comes from."""
    seen = types.ModuleType("sys")
    vars(seen).update(vars(sys), modules=seen_modules)
    return seen
