"""The builtins and imports that user code sees.

This is policy, not the wall: it gives a clear message early and keeps honest programs within what is promised. The
wall is WebAssembly. The standard library itself runs with the real builtins.
"""

import builtins

import guest_fresh
import guest_attribute_guards
import guest_loop
import guest_module_runs
import guest_tools
import guest_views

# Whether programs are kept from what the validator would refuse.
enabled = False
disabled_modules = frozenset()
# What the most frequent statements give: `import` of a module that is there and needs no refreshing.
at_hand = {}


def install(recipe):
    """Makes a new `builtins` for user code, and all that stands behind it."""
    global enabled, disabled_modules, user_builtins
    enabled, disabled_modules = recipe["guards"], frozenset(recipe["disabled_modules"])
    user_builtins = vars(builtins) | guest_tools.ERRORS | {"__import__": unguarded_import}
    user_builtins[guest_module_runs.RUN] = guest_loop.run_here
    if enabled:
        guest_attribute_guards.install(recipe["refused_names"])
        guest_views.install(recipe["allowed_imports"])
        names = guest_fresh.STATELESS & guest_views.allowed_imports
        at_hand.update((name, guest_views.views[name]) for name in names)
        for name in guest_attribute_guards.refused_names & user_builtins.keys():
            del user_builtins[name]
        user_builtins |= guest_attribute_guards.BUILTINS | {
            "__import__": guarded_import,
            guest_attribute_guards.GUARD: guest_attribute_guards.guarded,
        }


def guarded_import(name, globals=None, locals=None, fromlist=(), level=0):
    """Takes the place of `__import__` in user code; raises `ImportError` for what the recipe does not allow."""
    if not fromlist and not level and name in at_hand:
        return at_hand[name]
    if type(fromlist) is list:
        # Not from a program's `import`, which has a tuple or None: CPython's own C code, in the program's frame. It
        # finds the module by itself.
        builtins.__import__(name, globals, locals, fromlist, level)
        return None
    if level:
        raise ImportError("Relative imports are not permitted")
    if type(name) is not str:
        raise TypeError("module name must be a string")
    root, fromlist = name.partition(".")[0], fromlist or ()
    if not (is_allowed(name) or (fromlist and all(is_allowed(f"{name}.{item}") for item in fromlist))):
        if root in disabled_modules:
            raise ImportError("Network tools are disabled on this executor", name=root)
        raise ImportError(f"Import of '{root}' is not permitted", name=root)
    if root not in guest_tools.modules:
        guest_fresh.refresh_for(root)
    return guest_views.import_module(name, fromlist)


def unguarded_import(name, *args, **kwargs):
    """Takes the place of `__import__` where there are no guards."""
    guest_fresh.refresh_for(name.partition(".")[0])
    return builtins.__import__(name, *args, **kwargs)


def is_allowed(name):
    """Whether a program may import the module `name`."""
    return guest_views.is_allowed(name) or guest_tools.is_granted(name.partition(".")[0])
