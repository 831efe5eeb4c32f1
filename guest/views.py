"""Views: the modules that programs see in place of the library's own.

A view is a module with the same name, functions and classes, but without the modules that a program may not import and
without refused builtins. So no chain of attributes leads from `json` to `sys`. The library uses its own modules: it
does not see what a program changes in a view.
"""

import builtins
import sys
import types

import guest_attribute_guards
import guest_tools

# Names of the modules that programs may import, from the recipe. `json` includes `json.decoder`.
allowed_imports = frozenset()
# Views by name. A module of tools is its own view.
views = {}
# Replacements for values, by the id of the value; `ABSENT` hides a value.
replaced = {}
ABSENT = object()
# Attributes that CPython sets on every module. Views leave them out.
INTERNALS = frozenset({"__builtins__", "__loader__", "__spec__"})


def install(allowed):
    """Creates a view of each imported module that programs may see."""
    global allowed_imports
    allowed_imports = frozenset(allowed)
    views.update((name, sys.modules[name]) for name in guest_tools.modules)
    for name in guest_attribute_guards.refused_names & vars(builtins).keys():
        replaced[id(vars(builtins)[name])] = ABSENT
    # With it, a program could run arbitrary bytecode.
    replaced[id(types.CodeType)] = ABSENT
    for module, functions in ((builtins, guest_attribute_guards.BUILTINS), (sys.modules["operator"], guest_attribute_guards.OPERATORS)):
        replaced.update((id(vars(module)[name]), function) for name, function in functions.items())
    for name in list(sys.modules):
        view_of(name)


def import_module(name, fromlist):
    """Returns the result of `import name`, or of `from name import …` if `fromlist` is not empty, for a program."""
    if name not in views or not vars(views[name]).keys() >= set(fromlist):
        builtins.__import__(name, None, None, fromlist)
        for imported in (name, *(f"{name}.{item}" for item in fromlist)):
            view_of(imported)
            link(imported)
    if fromlist:
        # If a name is missing, CPython looks up `{module.__name__}.{name}` in `sys.modules`. A program may have changed
        # `__name__`.
        vars(views[name])["__name__"] = name
        return views[name]
    if "." not in name:
        return views[name]
    link(name)
    return views[name.partition(".")[0]]


def is_allowed(name):
    """Returns whether the module `name`, or a package that contains it, may be imported."""
    while name and name not in allowed_imports:
        name = name.rpartition(".")[0]
    return bool(name)


def view_of(name):
    """Returns the view of an imported module and creates it if needed; `ABSENT` if programs may not see the module."""
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
    """Returns what programs see for the value of a module's attribute."""
    if not issubclass(type(value), types.ModuleType):
        return replaced.get(id(value), value)
    name = value.__name__
    return view_of(name) if sys.modules.get(name) is value else ABSENT


def link(name):
    """Sets a submodule's view as an attribute of its package's view, unless that attribute already exists."""
    package, _, module = name.rpartition(".")
    if package and name in views:
        vars(view_of(package)).setdefault(module, views[name])
        link(package)
