"""One sentence that helps a model to repair its program, for the failures where one is known."""

import re
import sys
import types

import guest_guards
import guest_tools
import guest_views
from guest_values import UnawaitedCoroutineError

HINT_CHARS_MAX = 500

# Builtins that a program may expect and that are not there.
ABSENT_NAMES = {
    "open": "There are no files here: data comes in through context variables, and results go out as the return value.",
    "input": "There is no terminal: data comes in through context variables.",
    "exec": "Running code from text is not possible here: write the code in the program itself.",
    "help": "Print a function's __doc__ instead of calling help().",
    "dir": "Looking objects up by reflection is not possible here: name the attribute that you need.",
    "exit": "Let the program run to its end, or raise SystemExit.",
}
ABSENT_NAMES |= {
    "eval": ABSENT_NAMES["exec"],
    "compile": ABSENT_NAMES["exec"],
    "globals": ABSENT_NAMES["dir"],
    "locals": ABSENT_NAMES["dir"],
    "vars": ABSENT_NAMES["dir"],
    "quit": ABSENT_NAMES["exit"],
}
# Attributes that are refused; others get `REFLECTION`.
REFUSED_ATTRIBUTES = {
    "__class__": "Use type(x).",
    "__dict__": "Name the attributes that you need, or make the class a dataclass and use dataclasses.asdict(x).",
    "__getattribute__": "Use getattr(x, name).",
    "__setattr__": "Use setattr(x, name, value).",
    "__import__": "Use an import statement.",
}
REFUSED_ATTRIBUTES |= dict.fromkeys(
    ("__base__", "__bases__", "__mro__", "__subclasses__"), "Use isinstance(x, y) or issubclass(x, y)."
)
REFLECTION = "The interpreter's own objects cannot be reached from here: work with the data itself."
DESCRIBE = " For a tool: print(tools.describe('module.tool')), after `import tools`."
REFUSED = re.compile(r"Attribute '(\w+)' is not allowed in sandbox")
ADD_AWAIT = "The call of an async function needs `await`: add `await` before it; to use its result: `(await f(x))['key']`."
ADD_CALL = "A function is called with parentheses, an async one with `await` before it: `await f(x)`."
NEEDLESS_AWAIT = "Only calls of async functions are awaited: leave out this `await`."
A_FUNCTION = re.compile(r"'(function|method|builtin_function_or_method)' object|object (function|method) can't be used")


def hint(error, message, suggestion):
    """The hint for an exception, or `None`. `suggestion` is CPython's own ("Did you mean: …"), or ""."""
    rule = RULES.get(type(error))
    text = rule and rule(error, message) or suggestion or tools_of(error) or ""
    return text[:HINT_CHARS_MAX] or None


def for_name(error, _message):
    """A name that is not defined: a builtin that is absent, or a module that could not be imported either."""
    if is_out_of_reach(error.name):
        return importable()
    if type(error.name) is not str:
        return None
    if guest_tools.is_granted(error.name):
        return f"Add `import {error.name}` before it."
    if error.name == "help" and guest_tools.modules:
        return ABSENT_NAMES["help"] + DESCRIBE
    return ABSENT_NAMES.get(error.name)


def for_import(error, message):
    """An import that was refused."""
    return importable() if "not permitted" in message else None


def tools_of(error):
    """For a name that a module of tools has not: the tools that there are."""
    if type(error) is AttributeError and type(error.obj) is types.ModuleType:
        module = error.obj.__name__
    else:
        module = error.name if type(error) is ImportError else None
    if type(module) is not str or not guest_tools.is_granted(module):
        return None
    return "There are: " + ", ".join(filter(guest_tools.is_callable, guest_tools.modules[module]))


def for_type(_error, message):
    """A coroutine, a task or a function used where its result was meant; something else awaited."""
    if "coroutine" in message or "Future' object" in message or "Task' object" in message:
        return ADD_AWAIT
    if A_FUNCTION.search(message):
        return ADD_CALL
    return NEEDLESS_AWAIT if "can't be used in 'await' expression" in message else None


def for_attribute(error, message):
    """An attribute that was refused, or a module that cannot be reached through another one."""
    if refused := REFUSED.fullmatch(message):
        return REFUSED_ATTRIBUTES.get(refused[1], REFLECTION)
    if issubclass(type(error.obj), types.ModuleType) and is_out_of_reach(error.name):
        return importable()
    return for_type(error, message)


def is_out_of_reach(name):
    """Whether `name` is a module of CPython's that programs may not import."""
    return type(name) is str and name in sys.stdlib_module_names and not guest_guards.is_allowed(name)


def for_unawaited(_error, message):
    """A call that was not awaited, or not even made."""
    return ADD_CALL if "itself" in message else ADD_AWAIT


def for_runtime(_error, message):
    """A running loop asked to run, or none where there has to be one."""
    if "no running event loop" in message or "no current event loop" in message:
        return "A loop runs only in a program that awaits: `await` the call itself, or many with `await asyncio.gather(...)`."
    return "Use `await` here instead." if "loop is already running" in message else None


def importable():
    """What may be imported instead."""
    granted = filter(guest_tools.is_granted, guest_tools.modules)
    return "Importable here: " + ", ".join(sorted(guest_views.allowed_imports.union(granted)))


RULES = {
    NameError: for_name,
    ImportError: for_import,
    TypeError: for_type,
    AttributeError: for_attribute,
    UnawaitedCoroutineError: for_unawaited,
    RuntimeError: for_runtime,
    MemoryError: lambda *_: "Process the data in smaller pieces, or keep less of it at a time.",
    RecursionError: lambda *_: "Use a loop in place of the recursion, or check that it ends.",
}
