# Run behind the wall alone: what cannot be imported of the library in the interpreter, and why.
import _imp
import sys

lost = {}
for name in sorted(_imp._frozen_module_names() + list(sys.builtin_module_names)):
    # CPython's own tests of freezing; what waits for sockets, which `asyncio` does without.
    if name.startswith("__") or name == "asyncio.selector_events":
        continue
    try:
        __import__(name)
    except BaseException as error:
        lost[name] = f"{type(error).__name__}: {error}"
lost
