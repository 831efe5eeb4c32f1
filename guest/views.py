"""The modules that programs see: views of the library's own.

A view is a module of the same name with the same functions and classes, but without what a program may not have: the
modules that it may not import, and builtins that are refused. So no chain of attributes leads from `json` to `sys`. The library
works with its own modules: what a program changes in a module, the library does not see.
"""

import builtins
import sys
import types

import guest_attribute_guards
import guest_tools

# Names of modules that programs may import, from the recipe; `json` stands for `json.decoder` too.
allowed_imports = frozenset()
# Views by their name; a module of tools is its own.
views = {}
# What programs see in place of some values, or do not see at all, by the values' ids.
replaced = {}
ABSENT = object()
# Attributes of a module that are CPython's business.
INTERNALS = frozenset({"__builtins__", "__loader__", "__spec__"})


def install(allowed):
    """Makes a view of each module that a program may see and that is imported."""
    global allowed_imports
    allowed_imports = frozenset(allowed)
    views.update((name, sys.modules[name]) for name in guest_tools.modules)
    for name in guest_attribute_guards.refused_names & vars(builtins).keys():
        replaced[id(vars(builtins)[name])] = ABSENT
    # Runs whatever bytecode a program makes up.
    replaced[id(types.CodeType)] = ABSENT
    for module, functions in ((builtins, guest_attribute_guards.BUILTINS), (sys.modules["operator"], guest_attribute_guards.OPERATORS)):
        replaced.update((id(vars(module)[name]), function) for name, function in functions.items())
    for name in list(sys.modules):
        view_of(name)


def import_module(name, fromlist):
    """What `import name`, or `from name import …` if `fromlist` names something, gives to a program."""
    if name not in views or not vars(views[name]).keys() >= set(fromlist):
        builtins.__import__(name, None, None, fromlist)
        for imported in (name, *(f"{name}.{item}" for item in fromlist)):
            view_of(imported)
            link(imported)
    if fromlist:
        # CPython looks for a name that is not there in `sys.modules`, below what the module calls itself.
        vars(views[name])["__name__"] = name
        return views[name]
    if "." not in name:
        return views[name]
    link(name)
    return views[name.partition(".")[0]]


def is_allowed(name):
    """Whether `name` or a package around it may be imported."""
    while name and name not in allowed_imports:
        name = name.rpartition(".")[0]
    return bool(name)


def view_of(name):
    """The view of an imported module, made if need be; `ABSENT` if programs may not see the module."""
    if name in views:
        return views[name]
    is_package_of_allowed = any(allowed.startswith(name + ".") for allowed in allowed_imports)
    if name not in sys.modules or not (is_allowed(name) or is_package_of_allowed):
        return ABSENT
    view = views[name] = types.ModuleType(name)
    for attribute, value in list(vars(sys.modules[name]).items()):
        value = shown(value)
        if value is not ABSENT and attribute not in INTERNALS:
            vars(view)[attribute] = value
    return view


def shown(value):
    """What programs see of a module's attribute."""
    if not issubclass(type(value), types.ModuleType):
        return replaced.get(id(value), value)
    name = value.__name__
    return view_of(name) if sys.modules.get(name) is value else ABSENT


def link(name):
    """Lets a package's view have its module's, unless the program has put something else there."""
    package, _, module = name.rpartition(".")
    if package and name in views:
        vars(view_of(package)).setdefault(module, views[name])
        link(package)
