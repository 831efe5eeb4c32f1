"""The builtins and imports that user code sees.

This is policy, not the wall: it gives a clear message early and keeps honest programs within what is promised. The
wall is WebAssembly. The standard library itself runs with the real builtins.
"""

import builtins

import guest_fresh
import guest_tools

REFUSED_BUILTINS = frozenset(
    "eval exec compile open input help globals locals vars dir breakpoint exit quit copyright credits license"
    " __loader__ __spec__".split()
)

# What the recipe allows; filled in while the image is made.
allowed_imports = frozenset()
disabled_modules = frozenset()


def install(allowed, disabled):
    """Sets what `guarded_import` lets pass, and makes a new `builtins` for user code."""
    global allowed_imports, disabled_modules, user_builtins
    allowed_imports, disabled_modules = frozenset(allowed), frozenset(disabled)
    user_builtins = {name: value for name, value in vars(builtins).items() if name not in REFUSED_BUILTINS}
    user_builtins |= guest_tools.ERRORS
    user_builtins["__import__"] = guarded_import


def guarded_import(name, globals=None, locals=None, fromlist=(), level=0):
    """Takes the place of `__import__` in user code; raises `ImportError` for what the recipe does not allow."""
    if type(fromlist) is list:
        # Not from a program's `import`, which has a tuple or None: CPython's own C code, in the program's frame.
        return builtins.__import__(name, globals, locals, fromlist, level)
    if level:
        raise ImportError("Relative imports are not permitted")
    root = name.partition(".")[0]
    if not (is_allowed(name) or (fromlist and all(f"{name}.{item}" in allowed_imports for item in fromlist))):
        if root in disabled_modules:
            raise ImportError("Network tools are disabled on this executor", name=root)
        raise ImportError(f"Import of '{root}' is not permitted", name=root)
    if root not in guest_tools.modules:
        guest_fresh.refresh_for(root)
    return builtins.__import__(name, globals, locals, fromlist, 0)


def is_allowed(name):
    """Whether `name` or a package around it may be imported."""
    while name:
        if name in allowed_imports or guest_tools.is_granted(name):
            return True
        name = name.rpartition(".")[0]
    return False
