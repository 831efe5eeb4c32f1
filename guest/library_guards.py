"""Guards the library where it uses attribute names, module names or source text that a program chose.

`functools.wraps` copies the attributes in `assigned`. `argparse` sets the attributes that `dest` names, `ast` reads those
in `_fields`. `dataclasses` generates functions with the program's names in them and executes their text; `timeit` does so
with the program's statements. `typing` evaluates annotations that are text. Some look up modules by a class's
`__module__`. The source of these library modules is unchanged: `install` replaces the names `getattr`, `setattr`,
`eval`, `exec` and `sys` in their namespaces, and a few methods. This is policy, not the security boundary.
"""

import argparse
import ast
import codecs
import contextlib
import copy
import dataclasses
import enum
import functools
import inspect
import logging
import pprint
import sys
import timeit
import traceback
import types
import typing

import guest_guards
import guest_attribute_guards
import guest_views

# The attributes of `sys` that `redirect_stdout` and `redirect_stderr` set.
STREAMS = ("stdout", "stderr")
# Refused names that a module's own code looks up. They are allowed in it, because the guard cannot tell whether a name
# comes from the module or from the program.
OWN_NAMES = {
    argparse: set(),
    ast: set(),
    copy: {"__reduce__", "__reduce_ex__"},
    dataclasses: {"__class__", "__setattr__"},
    enum: {"__dict__", "__reduce_ex__"},
    functools: {"__dict__"},
    pprint: set(),
    typing: {"__dict__", "__func__", "__globals__", "__init_subclass__"},
}
# The modules above that set attributes by name.
SETTERS = (argparse, ast, copy, dataclasses, functools)
# Modules that open files by paths, and modules that read and write pickles, which may name any function.
FILES_OF_NUMPY = {
    "numpy._core._methods", "numpy._core.memmap", "numpy._core.records", "numpy.lib._datasource", "numpy.lib._format_impl",
    "numpy.lib._npyio_impl",
}  # fmt: skip
PICKLES_OF_NUMPY = {"numpy._core._methods", "numpy.lib._format_impl", "numpy.lib._npyio_impl"}
# Classes that pass reads of attributes on to `self.stream`.
STREAMS_OF_CODECS = (codecs.StreamReader, codecs.StreamReaderWriter, codecs.StreamRecoder, codecs.StreamWriter)


def install():
    """Installs the guards in the library. Call it after the views are made: they must not contain the guards."""
    for module, own_names in OWN_NAMES.items():
        module.getattr = getattr_without(guest_attribute_guards.internals - own_names)
    for module in SETTERS:
        module.setattr = setattr_without(guest_attribute_guards.internals - OWN_NAMES[module])
    contextlib.getattr, contextlib.setattr = getattr_of_streams, setattr_of_streams
    for stream in STREAMS_OF_CODECS:
        stream.__getattr__ = attribute_of_stream
    logging.StrFormatStyle._format = format_with_checked_template(logging.StrFormatStyle._format)
    traceback.walk_stack = walk_stack_of_program
    typing.eval = inspect.eval = evaluate
    timeit.compile, timeit.exec = compile_statements, execute
    dataclasses.exec = make_functions
    dataclasses._get_field = field_with_checked_name(dataclasses._get_field)
    dataclasses._dataclass_setstate = set_state_of_dataclass
    typing.sys = enum.sys = dataclasses.sys = seen_sys()
    for name in FILES_OF_NUMPY & sys.modules.keys():
        sys.modules[name].open = open_of_program
    for name in PICKLES_OF_NUMPY & sys.modules.keys():
        sys.modules[name].pickle = no_pickle


# ---- names


def getattr_without(refused):
    """Returns a `getattr` for library code. It refuses the names in `refused`."""

    def getattr_of_library(thing, name, *default):
        if type(name) is str and name not in refused and name not in guest_attribute_guards.FORMATS:
            return getattr(thing, name, *default)
        return guest_attribute_guards.guarded(getattr(thing, guest_attribute_guards.checked(name, refused), *default))

    return getattr_of_library


def setattr_without(refused):
    """Returns a `setattr` for library code. It refuses the names in `refused`."""

    def setattr_of_library(thing, name, value):
        setattr(thing, guest_attribute_guards.checked(name, refused), value)

    return setattr_of_library


def stream_name(name):
    """Returns `name` if it names a stream.

    Raises `AttributeError` for other names, because the program could reach all of `sys` through them.
    """
    if type(name) is str and name not in STREAMS:
        raise AttributeError(f"Attribute '{name}' is not allowed in sandbox")
    return name


def getattr_of_streams(thing, name, *default):
    """Replaces `getattr` in `contextlib`."""
    if thing is sys:
        name = stream_name(guest_attribute_guards.checked(name))
    return getattr(thing, name, *default)


def setattr_of_streams(thing, name, value):
    """Replaces `setattr` in `contextlib`."""
    setattr(thing, stream_name(guest_attribute_guards.checked(name)) if thing is sys else name, value)


def attribute_of_stream(self, name):
    """Replaces `__getattr__` of the classes in `STREAMS_OF_CODECS`."""
    return guest_attribute_guards.guarded_getattr(self.stream, name)


def format_with_checked_template(format_record):
    """Wraps `logging.StrFormatStyle._format`, which formats a record with the program's template."""

    @functools.wraps(format_record)
    def checked_format_record(self, record):
        if issubclass(type(self._fmt), str):
            guest_attribute_guards.check_template(str.__str__(self._fmt))
        return format_record(self, record)

    return checked_format_record


def field_with_checked_name(get_field):
    """Wraps `dataclasses._get_field`, which makes a field from an annotation.

    Raises `TypeError` for names that are not identifiers, because they become part of generated source text.
    """

    @functools.wraps(get_field)
    def checked_get_field(cls, name, *args):
        if type(name) is str and not str.isidentifier(name):
            raise TypeError(f"Field names must be valid identifiers: {name!r}")
        return get_field(cls, name, *args)

    return checked_get_field


def set_state_of_dataclass(self, state):
    """Replaces `dataclasses._dataclass_setstate`."""
    for field, value in zip(dataclasses.fields(self), state):
        object.__setattr__(self, guest_attribute_guards.checked(field.name, guest_attribute_guards.internals), value)


# ---- texts


def evaluate(source, globals=None, locals=None):
    """Replaces `eval` in `typing` and `inspect`. Evaluates annotations with the builtins and views of programs."""
    code = compile(source, "<string>", "eval", dont_inherit=True) if isinstance(source, str) else source
    vet(code, guest_attribute_guards.internals.union(guest_attribute_guards.FORMATS))
    return eval(code, seen_globals(globals), locals)


def make_functions(source, globals, locals):
    """Replaces `exec` in `dataclasses`, which executes the text of generated methods."""
    code = compile(source, "<string>", "exec", dont_inherit=True)
    vet(code, guest_attribute_guards.internals - OWN_NAMES[dataclasses])
    exec(code, seen_globals(globals), locals)


def compile_statements(source, filename, mode):
    """Replaces `compile` in `timeit`, which compiles the program's statements."""
    tree = compile(source, filename, mode, ast.PyCF_ONLY_AST, dont_inherit=True)
    guest_attribute_guards.guard_attributes(tree, source)
    code = compile(tree, filename, mode, dont_inherit=True)
    vet(code, guest_attribute_guards.internals)
    return code


def execute(code, globals, locals):
    """Replaces `exec` in `timeit`."""
    exec(code, seen_globals(globals), locals)


def vet(code, refused):
    """Raises `AttributeError` if `code`, or a function in it, uses a name in `refused`."""
    codes = [code]
    while codes:
        code = codes.pop()
        for name in refused.intersection(code.co_names):
            guest_attribute_guards.checked(name, refused)
        codes += (part for part in code.co_consts if type(part) is types.CodeType)


def seen_globals(namespace):
    """Returns the globals for evaluating text: a program's view of `namespace`, with the program's builtins."""
    if not isinstance(namespace, dict) or namespace.get("__builtins__") is guest_guards.user_builtins:
        return namespace
    name = namespace.get("__name__")
    module = sys.modules.get(name) if type(name) is str else None
    if module is not None and vars(module) is namespace:
        namespace = vars(seen_modules.get(name, types.ModuleType(name)))
    return {**namespace, "__builtins__": guest_guards.user_builtins}


# ---- frames


def walk_stack_of_program(frame):
    """Replaces `traceback.walk_stack`: ends at the guest's own frames, which called the program."""
    if frame is None:
        frame = sys._getframe().f_back.f_back.f_back.f_back
    while frame is not None and not str(frame.f_globals.get("__name__")).startswith("guest_"):
        yield frame, frame.f_lineno
        frame = frame.f_back


# ---- modules


class SeenModules:
    """`sys.modules` as programs see it: `__main__` and the views."""

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
    """Returns a copy of `sys` with `SeenModules`, for library modules that look up the module of a class."""
    seen = types.ModuleType("sys")
    vars(seen).update(vars(sys), modules=seen_modules)
    return seen


# ---- numpy


def open_of_program(*args, **kwargs):
    """Replaces `open` in numpy: opens what the program itself may open."""
    if "open" not in guest_guards.user_builtins:
        raise PermissionError("There are no files: pass an io.BytesIO or io.StringIO instead of a path")
    return guest_guards.user_builtins["open"](*args, **kwargs)


def refuse_pickles(*args, **kwargs):
    """Replaces the functions of `pickle` in numpy."""
    raise ValueError("Arrays of Python objects cannot be saved or loaded: they need pickle, which is not available")


no_pickle = types.SimpleNamespace(dump=refuse_pickles, dumps=refuse_pickles, load=refuse_pickles, loads=refuse_pickles, UnpicklingError=ValueError)
