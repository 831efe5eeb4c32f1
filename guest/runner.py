"""The guest's entry points: `prepare` builds the image's state, `run` executes one program.

The host calls `prepare` once, when it makes the image; everything that is in memory afterwards is part of the image.
The host calls `run` in each copy of the image, for one program. It does as little as possible: it imports nothing and
does not clean up. If the program gives its stack back, the host continues it by calling `run` again with an empty
request.
"""

import asyncio
import gc
import importlib
import json
import linecache
import sys
import zoneinfo

import _executor
import guest_caller_tools
import guest_discovery
import guest_executors
import guest_failure
import guest_files
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

# Modules that a run needs, or that CPython itself imports on first use.
NEEDED_MODULES = ("_pydecimal", "_strptime", "unicodedata", "warnings")
# What the library imports at its first use, and submodules that programs need: imported when the image is made, because
# an import takes much longer than most programs. By the allowed module that leads to them.
LIKELY_MODULES = {
    "argparse": ["shutil"],
    "html": ["html.parser"],
    "numpy": [
        "numpy.char", "numpy.dtypes", "numpy.exceptions", "numpy.fft", "numpy.lib.recfunctions", "numpy.lib.stride_tricks",
        "numpy.ma", "numpy.polynomial", "numpy.random", "numpy.rec", "numpy.strings", "numpy.testing", "numpy.typing",
    ],
    "xml.etree": ["xml.etree.ElementTree"],
}  # fmt: skip
# The size of `reserve`, which is freed when memory runs out, so that the failure can still be encoded.
RESERVE_BYTES = 512 * 1024
# Free heap in the image, because growing the heap during a run costs more.
HEAP_BYTES = 2 * 1024 * 1024

reserve = bytearray()
# The interpreter's own. A program may replace it.
stdout = sys.stdout
# For the running program: the size limit of its value, and whether finalization can be skipped.
result_bytes_max, ends_quietly = 0, True
# The host writes the request: exactly one JSON value without surrounding whitespace.
scan_json = json.JSONDecoder().scan_once
# The beginning of the result of a program that waits.
WAITING = b'{"waiting":'


def run(request):
    """Runs or continues one execution: takes the request's bytes and returns the result's bytes. Never raises."""
    global ends_quietly
    try:
        if request:
            request, _ = scan_json(str(request, "utf-8"), 0)
            if len(request) > 1:
                # The shortest program that needs finalization is longer.
                ends_quietly = len(request["code"]) < 25 or guest_finalization.is_quiet(request["code"])
            else:
                # The program goes on, and the executor has other tools than when it paused.
                guest_caller_tools.redefine(request["all_tools"])
                request = None
        result = execute(request)
    except BaseException as error:
        # When memory is short, even encoding a failure can fail.
        reserve.clear()
        result = failed(error)
    if guest_files.are_wanted:
        result = with_files(result)
    if not (ends_quietly or guest_program.keeps or result.startswith(WAITING)):
        guest_program.namespace = None
        guest_finalization.finalize()
    return result


def execute(request):
    """Runs the program, or continues it if the request is empty. Returns the result's bytes."""
    global result_bytes_max
    try:
        if request:
            if len(request) > 2:
                prepare_for(request)
            result_bytes_max = request["result_bytes_max"]
            value = guest_program.run(request["code"], request.get("context") or {})
        else:
            value = guest_program.go_on()
        if value is guest_program.WAITING:
            return WAITING + json.dumps(guest_loop.wakes_after()).encode() + b"}"
        value, is_repr = guest_values.encode(value, result_bytes_max)
    except MemoryError as error:
        reserve.clear()
        return failed(error)
    except BaseException as error:
        return failed(memory_error_for(error))
    finally:
        if sys.stdout is stdout:
            stdout.flush()
        else:
            guest_finalization.flush()
    return b'{"value":%b,"value_is_repr":%b,"error":null}' % (value, b"true" if is_repr else b"false")


def with_files(result):
    """Returns the result of a program that has ended together with its files. A pause has none."""
    if result.startswith(WAITING):
        return result
    try:
        return result[:-1] + guest_files.collect(result_bytes_max) + b"}"
    except MemoryError as error:
        reserve.clear()
        return failed(error)


def memory_error_for(error):
    """Returns a `MemoryError` in place of the error that CPython raises when there is no memory for another frame, and
    all other errors as they are.
    """
    if type(error) is not SystemError or error.args != ("error return without exception set",):
        return error
    reserve.clear()
    return MemoryError().with_traceback(error.__traceback__)


def prepare_for(request):
    """Takes what differs from a plain request: grants, the caller's tools, the state of an earlier program."""
    guest_tools.granted = request.get("tools")
    guest_program.is_kept, guest_program.keeps = guest_program.keeps, "keeps" in request
    guest_program.parks = "parks" in request
    guest_files.prepare_for(request)
    if "all_tools" in request:
        guest_caller_tools.redefine(request["all_tools"])
    if "caller_tools" in request or guest_caller_tools.defined:
        guest_caller_tools.define(request.get("caller_tools", ()))
    if guest_program.is_kept:
        guest_fresh.refresh_again()
        reserve.extend(bytes(RESERVE_BYTES - len(reserve)))


def failed(error):
    """Returns the result's bytes for a run that ended with `error`."""
    return b'{"value":null,"value_is_repr":false,"error":%b}' % guest_failure.encode(error)


def prepare(recipe):
    """Builds the image's state: every run starts from the memory as it is when this function returns."""
    allowed = recipe["allowed_imports"]
    likely = [name for root, names in LIKELY_MODULES.items() if root in allowed for name in names]
    guest_files.install(recipe)
    own = [name for name in allowed if name not in recipe["packages"]]
    for name in (*NEEDED_MODULES, *own, *likely):
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise ImportError(f"ALLOWED_IMPORTS names {name!r}, which this interpreter lacks: {error}") from None
    guest_zones.install()
    guest_fresh.install()
    guest_loop.install()
    guest_executors.install()
    guest_tools.install(recipe["tools"])
    guest_discovery.install()
    guest_guards.install(recipe)
    guest_hints.install(recipe)
    if guest_guards.enabled:
        guest_library_guards.install()
    sys.displayhook = _executor.remember
    sys.argv = [guest_program.file_name]
    rehearse()
    reserve.extend(bytes(RESERVE_BYTES))
    bytearray(HEAP_BYTES)
    guest_immortal.immortalize()
    gc.freeze()


def rehearse():
    """Runs a few programs, which fills caches and specializes bytecode, and removes the state that they leave."""
    main = sys.modules["__main__"]
    for others in ({"context": {"given": [1]}, "tools": []}, {}):
        for code in guest_rehearsal.PROGRAMS:
            run(json.dumps({"code": code, "result_bytes_max": 1 << 20} | others).encode())
    sys.modules["__main__"] = main
    linecache.cache.pop(guest_program.file_name)
    zoneinfo.ZoneInfo.clear_cache()
    asyncio.set_event_loop_policy(guest_loop.HostLoopPolicy())
    guest_fresh.freeze()
    guest_finalization.freeze()
    guest_tools.granted = guest_program.namespace = None
    # The last value stays remembered. Replace it with one that refers to no other objects.
    _executor.remember(guest_program.NOTHING)
