"""The entry: `prepare` makes the image's state, `run` is one execution.

`prepare` runs once, when the image is made, and everything it leaves in memory is in the image. `run` runs at most
once per copy of it, so it does as little as it can: it imports nothing and leaves nothing tidy behind.
"""

import asyncio
import gc
import importlib
import json
import linecache
import sys
import zoneinfo

import _executor
import guest_discovery
import guest_failure
import guest_finalization
import guest_fresh
import guest_guards
import guest_hints
import guest_immortal
import guest_library_guards
import guest_loop
import guest_program
import guest_rehearsal
import guest_tools
import guest_values
import guest_zones

# Modules that a run needs, or that CPython imports by itself when it first needs them.
NEEDED_MODULES = ("_pydecimal", "_strptime", "unicodedata", "warnings")
# Freed when memory has run out, so that the failure can still be told.
RESERVE_BYTES = 512 * 1024
# Heap that is there before a run asks for it: growing it then costs more.
HEAP_BYTES = 2 * 1024 * 1024

reserve = bytearray()
# The request is the host's: one value, with nothing around it.
scan_json = json.JSONDecoder().scan_once


def run(request):
    """One execution: the request's bytes in, the result's bytes out. Never raises."""
    ends_quietly = True
    try:
        request, _ = scan_json(str(request, "utf-8"), 0)
        # The shortest program that leaves something to do is longer.
        ends_quietly = len(request["code"]) < 25 or guest_finalization.is_quiet(request["code"])
        result = execute(request)
    except BaseException as error:
        # Even telling a failure can fail, when memory is short.
        reserve.clear()
        result = failed(error)
    if not ends_quietly:
        guest_finalization.finalize()
    return result


def execute(request):
    """Runs the program and tells how it ended."""
    guest_tools.granted = request.get("tools")
    try:
        value = guest_program.run(request["code"], request.get("context") or {})
        value, is_repr = guest_values.encode(value, request["result_bytes_max"])
    except MemoryError as error:
        reserve.clear()
        return failed(error)
    except BaseException as error:
        return failed(error)
    finally:
        sys.stdout.flush()
    return b'{"value":%b,"value_is_repr":%b,"error":null}' % (value, b"true" if is_repr else b"false")


def failed(error):
    """The result of a run that ended with `error`."""
    return b'{"value":null,"value_is_repr":false,"error":%b}' % guest_failure.encode(error)


def prepare(recipe):
    """Makes the image's state; what stays in memory after it is what every run starts from."""
    for name in (*NEEDED_MODULES, *recipe["allowed_imports"]):
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise ImportError(f"ALLOWED_IMPORTS has {name!r}, which this interpreter has not: {error}") from None
    guest_zones.install()
    guest_loop.install()
    guest_tools.install(recipe["tools"])
    guest_discovery.install()
    guest_guards.install(recipe)
    guest_hints.install(recipe)
    if guest_guards.enabled:
        guest_library_guards.install()
    sys.displayhook = _executor.remember
    rehearse()
    reserve.extend(bytes(RESERVE_BYTES))
    bytearray(HEAP_BYTES)
    guest_immortal.immortalize()
    gc.freeze()


def rehearse():
    """Runs a few programs, so that caches are filled and code is specialised, and removes what they left."""
    main = sys.modules["__main__"]
    for code in guest_rehearsal.PROGRAMS * 2:
        request = {"code": code, "context": {"given": [1]}, "result_bytes_max": 1 << 20, "tools": []}
        run(json.dumps(request).encode())
    sys.modules["__main__"] = main
    linecache.cache.pop(guest_program.FILENAME)
    zoneinfo.ZoneInfo.clear_cache()
    asyncio.set_event_loop_policy(guest_loop.HostLoopPolicy())
    guest_fresh.freeze()
    guest_finalization.freeze()
    guest_tools.granted = None
    # Nothing forgets the last value; this one holds no memory.
    _executor.remember(guest_program.NOTHING)
