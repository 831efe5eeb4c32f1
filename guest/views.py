"""Views: the modules that programs see in place of the library's own.

A view is a module with the same name, functions and classes, but without the modules that a program may not import and
without refused builtins. So no chain of attributes leads from `json` to `sys`. The library uses its own modules: it
does not see what a program changes in a view.
"""

import builtins
import inspect
import sys
import traceback
import types
import warnings

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
# Modules with classes that Cython made: their methods have an attribute `func_globals`.
LEAKY = frozenset(("numpy.random.bit_generator",))
# Functions of numpy's modules that import others at the first use of an attribute.
LAZY = frozenset(("__getattr__", "__dir__"))
# Modules that get their contents by such a function, and the modules that have them.
SOURCES = {"numpy.char": "numpy._core.defchararray"}
# Modules of which programs see these names only. The validator has the same list for `sys`.
PUBLIC = {
    "inspect": frozenset(inspect.__all__),
    "sys": frozenset("argv exit getsizeof maxsize setrecursionlimit stderr stdout version_info".split()),
    "traceback": frozenset(traceback.__all__),
    "warnings": frozenset(warnings.__all__).union(("WarningMessage", "filters")),
}
# Names that programs do not see: functions that return frames, modules, or any attribute of an object, and those that
# need files.
HIDDEN = {
    "ast": frozenset(("main",)),
    "codecs": frozenset(("open",)),
    "inspect": frozenset(
        "classify_class_attrs currentframe getargvalues getasyncgenlocals getattr_static getcallargs getclasstree"
        " getclosurevars getcoroutinelocals getframeinfo getgeneratorlocals getinnerframes getmembers_static getmodule"
        " getmro getouterframes stack trace".split()
    ),
    "logging": frozenset(("currentframe",)),
    "numpy": frozenset(("memmap", "test")),
    "numpy.lib.format": frozenset(("open_memmap",)),
    "numpy.lib.npyio": frozenset(("DataSource",)),
    "numpy.testing": frozenset("NUMPY_ROOT measure rundocs runstring tempdir temppath".split()),
    "timeit": frozenset(("main",)),
    "traceback": frozenset(("walk_stack", "walk_tb")),
}
# Attributes that the library reads anew at each use, and that programs set to change what it does: a view passes them
# through. With the last ones, `warnings.catch_warnings` works on the view.
SHARED = {
    "logging": ("lastResort", "raiseExceptions"),
    "sys": ("argv", "stderr", "stdout"),
    "warnings": (
        "filters", "formatwarning", "showwarning", "_filters_mutated", "_showwarning_orig", "_showwarnmsg_impl",
    ),
}  # fmt: skip


def install(allowed):
    """Creates a view of each imported module that programs may see."""
    global allowed_imports
    allowed_imports = frozenset(allowed)
    views.update((name, sys.modules[name]) for name in guest_tools.modules)
    for name in guest_attribute_guards.refused_names & vars(builtins).keys():
        replaced[id(vars(builtins)[name])] = ABSENT
    # With it, a program could run arbitrary bytecode.
    replaced[id(types.CodeType)] = ABSENT
    replaced[id(inspect.getmembers)] = getmembers
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
    """Returns whether the module `name`, or a package that contains it, may be imported. numpy's internal modules may not."""
    if name.startswith("sys.") or (name.startswith("numpy.") and ("._" in name or name in LEAKY)):
        return False
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
    module = sys.modules[name]
    view = views[name] = empty_view(module, name)
    for attribute, value in contents(module, name):
        value = shown(value)
        if value is not ABSENT and is_seen(name, attribute):
            vars(view)[attribute] = value
    return view


def contents(module, name):
    """Returns the names and values in a module, with those of its source."""
    own = list(vars(module).items())
    source = sys.modules.get(SOURCES.get(name))
    return own + [(each, vars(source)[each]) for each in source.__all__] if source else own


def empty_view(module, name):
    """Creates a view without attributes but those that it shares with `module`."""
    if name not in SHARED:
        return types.ModuleType(name)
    return type("module", (types.ModuleType,), {each: shared(module, each) for each in SHARED[name]})(name)


def shared(module, name):
    """Returns a property that reads and sets an attribute of `module`."""
    return property(lambda _: getattr(module, name), lambda _, value: setattr(module, name, value))


def is_seen(name, attribute):
    """Returns whether the view of the module `name` has a dict entry for this attribute."""
    if attribute in INTERNALS or attribute in HIDDEN.get(name, ()) or attribute in SHARED.get(name, ()):
        return False
    if attribute in LAZY and name.partition(".")[0] == "numpy":
        return False
    return name not in PUBLIC or attribute in PUBLIC[name] or attribute in ("__doc__", "__name__", "__all__")


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


def getmembers(object, predicate=None):
    """Replaces `inspect.getmembers`: leaves out refused attributes."""
    seen = [(name, value) for name, value in inspect.getmembers(object) if name not in guest_attribute_guards.refused_attributes]
    guarded = [(name, guest_attribute_guards.guarded(value) if name in guest_attribute_guards.FORMATS else value) for name, value in seen]
    return [(name, value) for name, value in guarded if predicate is None or predicate(value)]
