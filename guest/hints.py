"""One sentence that helps a model to repair its program, for the failures where one is known."""

import errno
import re
import sys
import types

import guest_guards
import guest_tools
import guest_views
from guest_values import UnawaitedCoroutineError

HINT_CHARS_MAX = 500

# The recipe's texts, shared with the validator: replacements for names, attributes and modules.
texts = {}
# Module name → hint.
replacements = {}
LISTED_MAX = 12
REFUSED = re.compile(r"Attribute '(\w+)' is not allowed in sandbox")
FAULTS_OF_FILES = {errno.ENOENT: "missing", errno.EACCES: "denied", errno.ENOSPC: "full"}
ADD_CALL = "Call the function with parentheses: `f(x)`, or `await f(x)` if it is async."
NEEDLESS_AWAIT = "Only async calls can be awaited: leave out this `await`."
A_FUNCTION = re.compile(r"'(function|method|builtin_function_or_method)' object|object (function|method) can't be used")


def install(recipe):
    """Takes the recipe's texts."""
    texts.update(recipe["hints"])
    replacements.update((module, hint) for modules, hint in texts["modules"] for module in modules)


def hint(error, message, suggestion):
    """The hint for an exception, or `None`. `suggestion` is CPython's own ("Did you mean: …"), or ""."""
    rule = RULES.get(type(error))
    text = rule and rule(error, message) or suggestion or tools_of(error) or ""
    return text[:HINT_CHARS_MAX] or None


def for_name(error, _message):
    """A name that is not defined: a builtin that is absent, or a module that could not be imported either."""
    if is_out_of_reach(error.name):
        return for_module(error.name)
    if type(error.name) is not str:
        return None
    if guest_tools.is_granted(error.name):
        return f"Add `import {error.name}` before it."
    text = texts["names"].get(error.name) if guest_guards.enabled or error.name == "help" else None
    return f"{text} {texts['help_with_tools']}" if error.name == "help" and guest_tools.modules else text


def for_import(error, message):
    """An import that was refused."""
    if "not permitted" not in message:
        return None
    return texts["sys"] if error.name == "sys" and guest_guards.is_allowed("sys") else for_module(error.name)


def for_missing_module(error, _message):
    """A module that is not in the interpreter."""
    return replacements.get(error.name.partition(".")[0]) if type(error.name) is str else None


def for_system(error, message):
    """A file that cannot be opened; a socket or a process, which do not exist here."""
    if type(error.errno) is int and error.errno in FAULTS_OF_FILES:
        return texts["files"][FAULTS_OF_FILES[error.errno]]
    kind = message.partition(" do not exist in this sandbox")[0]
    return {"sockets": replacements["socket"], "processes": replacements["subprocess"]}.get(kind)


def tools_of(error):
    """For a name that a module of tools has not: the tools that there are."""
    if type(error) is AttributeError and type(error.obj) is types.ModuleType:
        module = error.obj.__name__
    else:
        module = error.name if type(error) is ImportError else None
    if type(module) is not str or not guest_tools.is_granted(module):
        return None
    names = list(filter(guest_tools.is_callable, guest_tools.modules[module]))
    if len(names) > LISTED_MAX:
        return "After `import tools`, print(tools.search()) lists all."
    return "There are: " + ", ".join(names)


def for_type(_error, message):
    """A coroutine, a task or a function used where its result was meant; something else awaited."""
    if "coroutine" in message or "Future' object" in message or "Task' object" in message:
        return texts["add_await"]
    if A_FUNCTION.search(message):
        return ADD_CALL
    return NEEDLESS_AWAIT if "can't be used in 'await' expression" in message else None


def for_attribute(error, message):
    """An attribute that was refused, or what a module does not show: a builtin, another module, most of `sys`."""
    if refused := REFUSED.fullmatch(message):
        return texts["attributes"].get(refused[1]) or texts["names"].get(refused[1])
    if guest_guards.enabled and issubclass(type(error.obj), types.ModuleType) and type(error.name) is str:
        if error.obj is guest_views.views.get("sys"):
            return for_sys(error.name)
        if error.name in texts["names"] and not guest_tools.is_granted(error.obj.__name__):
            return texts["names"][error.name]
        if is_out_of_reach(error.name):
            return for_module(error.name)
    if "does not exist in this sandbox" in message:
        return replacements.get(message.partition(".")[0])
    return for_type(error, message)


def for_sys(name):
    """What does the work of a part of `sys` that programs do not see."""
    return texts["of_sys"].get(name, texts["sys"])


def is_out_of_reach(name):
    """Whether `name` is a module of CPython's that programs may not import."""
    is_module = guest_guards.enabled and type(name) is str and name in sys.stdlib_module_names
    return is_module and not guest_guards.is_allowed(name)


def for_unawaited(_error, message):
    """A call that was not awaited, or not even made."""
    return ADD_CALL if "itself" in message else texts["add_await"]


def for_runtime(_error, message):
    """A running loop asked to run, none where there has to be one, or a thread."""
    if "can't start new thread" in message:
        return replacements["threading"]
    if "no running event loop" in message or "no current event loop" in message:
        return "No event loop runs here: `await` the call at the top level, or several with `await asyncio.gather(...)`."
    return "Use `await` here instead." if "loop is already running" in message else None


def for_module(name):
    """What does the work of a module that may not be imported, or else what may be."""
    if type(name) is str and name in replacements:
        return replacements[name]
    granted = sorted(filter(guest_tools.is_granted, guest_tools.modules))
    if not granted:
        return texts["importable"]
    more = ", …" if len(granted) > LISTED_MAX else ""
    return f"{texts['importable']} {texts['tool_modules']} {', '.join(granted[:LISTED_MAX])}{more}."


RULES = {
    NameError: for_name,
    ImportError: for_import,
    ModuleNotFoundError: for_missing_module,
    FileNotFoundError: for_system,
    PermissionError: for_system,
    OSError: for_system,
    TypeError: for_type,
    AttributeError: for_attribute,
    UnawaitedCoroutineError: for_unawaited,
    RuntimeError: for_runtime,
    MemoryError: lambda *_: "Process the data in smaller pieces, or keep less of it at a time.",
    RecursionError: lambda *_: "Use a loop instead of recursion, or check that the recursion ends.",
}
