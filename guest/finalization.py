"""The end of a program, as CPython's own: what it registered for it is called, and what it leaves is destroyed.

So `__del__` runs, and `finally` in a generator that is still suspended. What the program gave, or why it failed, is on
record by then. Whatever goes wrong in here is told on stderr, as CPython does, and changes nothing.
"""

import atexit
import gc
import logging
import sys

import _executor

# What an image holds already: callbacks of the library, its own handlers of log records, and a main module.
callbacks_of_image = handlers_of_image = 0
main_of_image = None
NOTHING = object()
# What a program has in its text, at least one of it, that does something at its end. The last two make classes, or change
# them, with names that they compute.
SIGNS = ("__del__", "yield", "async", "weakref", "atexit", "logging", "type(", "setattr")


def freeze():
    """Call it last while the image is made: what is there then is no program's."""
    global callbacks_of_image, handlers_of_image, main_of_image
    main_of_image = sys.modules["__main__"]
    callbacks_of_image, handlers_of_image = atexit._ncallbacks(), len(logging._handlerList)


def is_quiet(source):
    """Whether nobody can see that what this program leaves is destroyed: it has no `__del__`, no generators or coroutines,
    and nothing that is told of the end. To destroy all objects of a program is work that others need not pay for."""
    return not any(map(source.__contains__, SIGNS))


def finalize():
    """Ends the program, of which nothing may be on the stack any more. Never raises."""
    try:
        if atexit._ncallbacks() != callbacks_of_image or len(logging._handlerList) != handlers_of_image:
            atexit._run_exitfuncs()
        sys.stdout.flush()
        # Nothing else holds the program's names.
        sys.modules["__main__"] = main_of_image
        _executor.remember(NOTHING)
        gc.collect()
    except BaseException:
        pass
