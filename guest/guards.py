"""The builtins and the import function of user code.

This is policy: it gives clear messages early and keeps honest programs within the documented interface. WebAssembly is
the security boundary. The standard library itself runs with the real builtins.
"""

import builtins

import guest_fresh
import guest_attribute_guards
import guest_tools
import guest_views

# Whether the validator's rules are also enforced at run time.
enabled = False
disabled_modules = frozenset()
# Fast path: views of modules that are always importable and need no refresh, by name.
at_hand = {}


def install(recipe):
    """Creates the builtins of user code, and installs the guards and views if the recipe enables them."""
    global enabled, disabled_modules, user_builtins
    enabled, disabled_modules = recipe["guards"], frozenset(recipe["disabled_modules"])
    user_builtins = vars(builtins) | guest_tools.ERRORS | {"__import__": unguarded_import, "exit": leave, "quit": leave}
    if enabled:
        guest_attribute_guards.install(recipe["refused_names"], recipe["own_names"])
        guest_views.install(recipe["allowed_imports"])
        names = guest_fresh.STATELESS.union(("sys",)) & guest_views.allowed_imports
        at_hand.update((name, guest_views.views[name]) for name in names)
        for name in guest_attribute_guards.refused_names & user_builtins.keys():
            del user_builtins[name]
        user_builtins |= guest_attribute_guards.BUILTINS | {
            "__import__": guarded_import,
            guest_attribute_guards.GUARD: guest_attribute_guards.guarded,
        }


def guarded_import(name, globals=None, locals=None, fromlist=(), level=0):
    """Replaces `__import__` in user code. Raises `ImportError` for modules that the recipe does not allow."""
    if not fromlist and not level and name in at_hand:
        return at_hand[name]
    if type(fromlist) is list:
        # An `import` statement passes a tuple or None. A list comes from CPython's C code that runs in the program's
        # frame; it ignores the result and reads the module from `sys.modules`.
        builtins.__import__(name, globals, locals, fromlist, level)
        return None
    if level:
        raise ImportError("Relative imports are not permitted")
    if type(name) is not str:
        raise TypeError("module name must be a string")
    root, fromlist = name.partition(".")[0], fromlist or ()
    if name == "sys" and is_allowed(name) and guest_views.PUBLIC[name].issuperset(fromlist):
        return guest_views.views[name]
    if name == "sys" or not (is_allowed(name) or (fromlist and all(is_allowed(f"{name}.{item}") for item in fromlist))):
        if root in disabled_modules:
            raise ImportError("Network tools are disabled on this executor", name=root)
        raise ImportError(f"Import of '{root}' is not permitted", name=root)
    if root not in guest_tools.modules:
        guest_fresh.refresh_for(root)
    return guest_views.import_module(name, fromlist)


def unguarded_import(name, *args, **kwargs):
    """Replaces `__import__` where the guards are disabled."""
    root = name.partition(".")[0]
    if root in disabled_modules and root not in guest_tools.modules:
        raise ImportError("Network tools are disabled on this executor", name=root)
    guest_fresh.refresh_for(root)
    return builtins.__import__(name, *args, **kwargs)


def leave(code=None):
    """The builtins `exit` and `quit`, which are elsewhere made by the module `site`."""
    raise SystemExit(code)


def is_allowed(name):
    """Returns whether a program may import the module `name`."""
    return guest_views.is_allowed(name) or guest_tools.is_granted(name.partition(".")[0])
