"""Finalizes a program as CPython does at exit: calls its `atexit` functions and destroys its objects.

So `__del__` methods run, and `finally` blocks in suspended generators. The result is complete before that: errors in
here are printed to stderr, as CPython does, and do not change it.
"""

import atexit
import contextlib
import gc
import logging
import sys

import _executor

# The image's own `atexit` callbacks and log handlers, which are the library's, and its main module.
callbacks_of_image = handlers_of_image = 0
main_of_image = None
NOTHING = object()
# The interpreter's own standard output.
stdout = sys.stdout
# A program that does something at its end contains at least one of these in its source. The last two can define methods
# such as `__del__` under computed names.
SIGNS = ("__del__", "yield", "async", "weakref", "atexit", "logging", "type(", "setattr")


def freeze():
    """Records the image's own callbacks, handlers and main module. Call it last when the image is made."""
    global callbacks_of_image, handlers_of_image, main_of_image
    main_of_image = sys.modules["__main__"]
    callbacks_of_image, handlers_of_image = atexit._ncallbacks(), len(logging._handlerList)


def is_quiet(source):
    """Returns whether finalizing this program has no visible effect: it has no `__del__` methods, no generators or
    coroutines, and registers nothing that is called at its end.

    Such programs skip finalization, because destroying all their objects takes time.
    """
    return not any(map(source.__contains__, SIGNS))


def flush():
    """Flushes the standard output. The program may have replaced it, and may have left it so."""
    stdout.flush()
    if sys.stdout is not stdout:
        # CPython ignores such an error too, at its exit.
        with contextlib.suppress(Exception):
            sys.stdout.flush()


def finalize():
    """Finalizes the program. None of its frames may be on the stack. Never raises."""
    try:
        if atexit._ncallbacks() != callbacks_of_image or len(logging._handlerList) != handlers_of_image:
            atexit._run_exitfuncs()
        flush()
        # The last reference to the program's namespace.
        sys.modules["__main__"] = main_of_image
        _executor.remember(NOTHING)
        gc.collect()
    except BaseException:
        pass
