# Runs without validator and guards. Lists the modules in the interpreter that cannot be imported, with the reason.
import _imp
import sys

lost = {}
for name in sorted(_imp._frozen_module_names() + list(sys.builtin_module_names)):
    # Skip CPython's own tests of freezing, and the part of `asyncio` that needs sockets.
    if name.startswith("__") or name == "asyncio.selector_events":
        continue
    try:
        __import__(name)
    except BaseException as error:
        lost[name] = f"{type(error).__name__}: {error}"
lost
