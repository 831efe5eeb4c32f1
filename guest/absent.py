"""Stand-ins for what `asyncio` imports and this machine does not have.

There are no sockets and no processes here. `asyncio` names a few of their constants in default arguments and imports
a selector event loop at its end; with these stand-ins it imports unchanged. User code cannot import them.
"""

import datetime
import importlib.machinery
import sys
import types


class Socket:
    """Takes the place of `socket.socket`; there is nothing to connect to."""

    def __init__(self, *args, **kwargs):
        raise OSError("sockets do not exist in this sandbox")


# What asyncio's modules read while they are imported, and no more.
CONTENTS = {
    "socket": {"socket": Socket, "AF_UNSPEC": 0, "AI_PASSIVE": 1, "SOCK_STREAM": 1},
    "subprocess": {"PIPE": -1, "STDOUT": -2, "DEVNULL": -3},
    "asyncio.unix_events": {"__all__": ()},
    # `types` takes the type of any capsule from here.
    "_socket": {"CAPI": datetime.datetime_CAPI},
}


class AbsentModule(types.ModuleType):
    """A module that says why anything else in it is missing."""

    def __getattr__(self, name):
        raise AttributeError(f"{self.__name__}.{name} does not exist in this sandbox")


class Finder:
    """Finds and loads the stand-ins, before any other finder is asked."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        """Answers for the names in `CONTENTS` only."""
        return importlib.machinery.ModuleSpec(name, Finder) if name in CONTENTS else None

    @staticmethod
    def create_module(spec):
        """Makes an empty stand-in."""
        return AbsentModule(spec.name)

    @staticmethod
    def exec_module(module):
        """Fills it."""
        vars(module).update(CONTENTS[module.__name__])


def install():
    """Makes the stand-ins importable; call it before `asyncio` is first imported."""
    sys.meta_path.insert(0, Finder)


# While this module is made: the modules made after it import `asyncio`. Elsewhere than here, everything is there.
if sys.platform == "wasi":
    install()
