"""Stands in for what does not exist without sockets, processes and threads.

Stub modules let CPython's `asyncio` import unchanged: it uses constants of these modules as default arguments, and its
last import is a selector event loop. Programs cannot import the stubs. The clock `thread_time` is `process_time`, because there
is one thread.
"""

import datetime
import importlib.machinery
import sys
import time
import types


class Socket:
    """Replaces `socket.socket`. Creating one raises `OSError`."""

    def __init__(self, *args, **kwargs):
        raise OSError("sockets do not exist in this sandbox")


# Only the attributes that asyncio's modules read while they are imported.
CONTENTS = {
    "socket": {"socket": Socket, "AF_UNSPEC": 0, "AI_PASSIVE": 1, "SOCK_STREAM": 1},
    "subprocess": {"PIPE": -1, "STDOUT": -2, "DEVNULL": -3},
    "asyncio.unix_events": {"__all__": ()},
    # `xml.sax` imports it, for documents at addresses.
    "urllib.request": {},
    # `types` reads `CAPI` to get the type of capsules; any capsule will do.
    "_socket": {"CAPI": datetime.datetime_CAPI},
    # `sysconfig` reads the settings of CPython's build; `numpy.testing` asks for one that is not set.
    "_sysconfigdata__wasi_wasm32-wasi": {"build_time_vars": {}},
}


class AbsentModule(types.ModuleType):
    """A stub module whose `AttributeError` says that the attribute does not exist in the sandbox."""

    def __getattr__(self, name):
        raise AttributeError(f"{self.__name__}.{name} does not exist in this sandbox")


class Finder:
    """Finds and loads the stubs. Runs before all other finders."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        """Returns a spec for the names in `CONTENTS`, `None` for all others."""
        return importlib.machinery.ModuleSpec(name, Finder) if name in CONTENTS else None

    @staticmethod
    def create_module(spec):
        """Creates an empty stub."""
        return AbsentModule(spec.name)

    @staticmethod
    def exec_module(module):
        """Sets the stub's attributes."""
        vars(module).update(CONTENTS[module.__name__])


clock_info = time.get_clock_info


def get_clock_info(name):
    """Replaces `time.get_clock_info`."""
    return clock_info("process_time" if name == "thread_time" else name)


def install():
    """Makes the stubs importable. Call it before `asyncio` is first imported."""
    sys.meta_path.insert(0, Finder)
    time.thread_time, time.thread_time_ns = time.process_time, time.process_time_ns
    time.get_clock_info = get_clock_info


# At import time, because the guest modules after this one import `asyncio`. Other platforms have the real modules.
if sys.platform == "wasi":
    install()
