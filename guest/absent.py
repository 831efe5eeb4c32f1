"""Stands in for what does not exist without sockets, processes and threads.

Stub modules let CPython's `asyncio` import unchanged: it uses constants of these modules as default arguments, and its
last import is a selector event loop. Programs cannot import the stubs. The clock `thread_time` is `process_time`, because there
is one thread.
"""

import contextlib
import datetime
import importlib.machinery
import struct
import sys
import time
import types


class Socket:
    """Replaces `socket.socket`. Creating one raises `OSError`."""

    def __init__(self, *args, **kwargs):
        raise OSError("sockets do not exist in this sandbox")


class SubprocessError(Exception):
    """Replaces the class of this name in `subprocess`. Nothing raises it."""


class CalledProcessError(SubprocessError):
    """Replaces the class of this name in `subprocess`."""


class TimeoutExpired(SubprocessError):
    """Replaces the class of this name in `subprocess`."""


def open_connection(*args, **kwargs):
    """Replaces functions of `urllib.request` that make connections, or prepare for it. Raises `OSError`."""
    raise OSError("sockets do not exist in this sandbox")


def start_process(*args, **kwargs):
    """Replaces every function of `subprocess` that starts a process. Raises `OSError`."""
    raise OSError("processes do not exist in this sandbox")


class Long:
    """Replaces `ctypes.c_long`, of which only the size is known here."""

    _type_ = "l"


def size_of(kind):
    """Replaces `ctypes.sizeof`."""
    return struct.calcsize(kind._type_)


# The attributes that asyncio's modules read while they are imported, and those that `platform` and packages use to ask for
# what a process would tell, and do without.
CONTENTS = {
    "socket": {"socket": Socket, "AF_UNSPEC": 0, "AI_PASSIVE": 1, "SOCK_STREAM": 1},
    "subprocess": {
        "PIPE": -1, "STDOUT": -2, "DEVNULL": -3,
        "SubprocessError": SubprocessError, "CalledProcessError": CalledProcessError, "TimeoutExpired": TimeoutExpired,
        **dict.fromkeys(("Popen", "call", "check_call", "check_output", "run"), start_process),
    },
    "asyncio.unix_events": {"__all__": ()},
    # `xml.sax` imports it, for documents at addresses; packages do, for what most of their users never call.
    "urllib.request": dict.fromkeys(("Request", "build_opener", "urlopen", "urlretrieve"), open_connection),
    # `types` reads `CAPI` to get the type of capsules; any capsule will do.
    "_socket": {"CAPI": datetime.datetime_CAPI},
    # `sysconfig` reads the settings of CPython's build; `numpy.testing` asks for one that is not set.
    "_sysconfigdata__wasi_wasm32-wasi": {"build_time_vars": {}},
}  # fmt: skip


# What a package takes from an absent module while it is imported. Nothing else finds that module: most packages do without
# a module that is absent, but not with a part of one.
NEEDED_BY = {"sympy": {"ctypes": {"c_long": Long, "sizeof": size_of}}}


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


@contextlib.contextmanager
def stubs_for(package):
    """Makes the stubs in `NEEDED_BY` importable within a `with` statement that imports `package`."""
    stubs = NEEDED_BY.get(package, {})
    before = {name: sys.modules.get(name) for name in stubs}
    for name, contents in stubs.items():
        sys.modules[name] = AbsentModule(name)
        vars(sys.modules[name]).update(contents)
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


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
