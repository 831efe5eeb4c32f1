"""Loads the guest's modules into an ordinary CPython, under the names that they have in the sandbox.

`fake_executor` simulates the host, `fake_files` the file system. There are two time zones.
"""

import contextlib
import gc
import importlib.util
import io
import json
import pathlib
import sys
import types

from .fake_executor import FakeExecutor
from .fake_files import FakeFiles

GUEST = pathlib.Path(__file__).parent.parent
HINTS = json.loads((GUEST.parent / "src" / "validator" / "hints.json").read_text(encoding="utf-8"))
# In dependency order, as in the host's recipe.
MODULES = (
    "absent", "loop", "executors", "zones", "fresh", "values", "tools", "discovery", "attribute_guards", "views", "guards",
    "files", "caller_tools", "library_guards", "module_runs", "program", "hints", "failure", "finalization", "immortal", "rehearsal", "runner",
)  # fmt: skip
ALLOWED_IMPORTS = """
json datetime math re typing collections itertools functools __future__ abc array asyncio base64 bisect calendar cmath
colorsys contextlib copy csv dataclasses decimal difflib enum fractions graphlib hashlib heapq hmac html io ipaddress
keyword numbers operator pprint random secrets statistics string struct textwrap time types unicodedata urllib.parse
uuid zlib zoneinfo argparse ast binascii codecs concurrent.futures contextvars inspect logging queue sys timeit tomllib
traceback warnings weakref xml.etree
""".split()
REFUSED_NAMES = """
__base__ __bases__ __builtins__ __class__ __closure__ __code__ __defaults__ __dict__ __func__ __getattribute__
__globals__ __import__ __init_subclass__ __kwdefaults__ __loader__ __mro__ __reduce__ __reduce_ex__ __self__ __setattr__
__spec__ __subclasses__ ag_code ag_frame breakpoint compile cr_code cr_frame dir eval exec exit f_back f_builtins f_code
f_globals f_locals gi_code gi_frame globals help input locals open os quit subprocess sys tb_frame tb_next vars
""".split()
OWN_NAMES = "compile dir eval exit help input open os".split()


def tool(path, description="", *parameters, takes_more=False, returns=""):
    """Returns a tool in the form of the host's recipe."""
    module, name = path.split(".")
    signature = {"parameters": list(parameters), "takes_more": takes_more, "returns": returns}
    return {"module": module, "name": name, "description": description, "signature": signature}


def parameter(name, annotation="", key=None, **others):
    """Returns a parameter in the form of the host's recipe."""
    defaults = {"required": False, "takes_null": False, "default": None}
    return {"name": name, "key": key or name, "annotation": annotation} | defaults | others


HOME_TOOLS = [
    tool("data.get_devices", "All devices.", returns="list[dict]"),
    tool(
        "data.search_events",
        "Searches events.\n\nTexts are data: \"\"\" ' {x} \\",
        parameter("entity_id", "str", key="entity-id", required=True),
        parameter("limit", "int", default=100),
        parameter("class_", "str | None", key="class", takes_null=True),
        parameter("fields", "list | None"),
        parameter("free"),
    ),
    tool("my_tools.import_", "Takes anything.", takes_more=True),
]
for _tool in HOME_TOOLS:
    _tool["digest"] = _tool["name"]

executor = FakeExecutor()
files = FakeFiles()


def load():
    """Imports the guest's modules and prepares them. Called once."""
    sys.modules["_executor"] = executor
    sys.modules["_files"] = files
    sys.modules["_tzdata"] = fake_tzdata()
    for name in MODULES:
        spec = importlib.util.spec_from_file_location(f"guest_{name}", GUEST / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
    recipe = {
        "allowed_imports": ALLOWED_IMPORTS,
        "disabled_modules": ["automation"],
        "refused_names": REFUSED_NAMES,
        "own_names": OWN_NAMES,
        "guards": True,
        "packages": [],
        "hints": HINTS | {"importable": "Importable here: json, re and more."},
        "tools": HOME_TOOLS,
    }
    test_runner = sys.modules["__main__"]
    sys.modules["guest_runner"].prepare(recipe)
    # Timers use the simulated host's clock.
    sys.modules["guest_loop"].HostLoop.time = lambda loop: executor.now
    assert sys.modules["__main__"] is test_runner, "prepare() left its last program in sys.modules"


def fake_tzdata():
    """Returns a module `_tzdata` with two zones: a fixed offset of 90 minutes, and UTC."""
    zones = {"Test/Ninety": tz_file(5400, b"NTY-1:30"), "UTC": tz_file(0, b"UTC0")}
    module = types.ModuleType("_tzdata")
    module.KEYS = tuple(zones)
    module.load = zones.__getitem__
    return module


def tz_file(offset, rule):
    """Returns the smallest TZif file of a zone without transitions."""
    name = rule[:3] + b"\0"
    header = b"TZif2" + bytes(15) + b"".join(n.to_bytes(4, "big") for n in (0, 0, 0, 0, 1, len(name)))
    block = header + offset.to_bytes(4, "big", signed=True) + b"\0\0" + name
    return block + block + b"\n" + rule + b"\n"


def run(*args, **kwargs):
    """Runs one execution and returns the result, parsed as the host parses it."""
    return json.loads(run_raw(*args, **kwargs), parse_constant=refuse_constant)


def run_raw(code, context=None, tools=None, result_bytes_max=1 << 20, **others):
    """Runs one execution, continues it after each pause, and returns the result's bytes. `others` are further fields of
    the request.
    """
    request = {"code": code, "context": context or {}, "result_bytes_max": result_bytes_max, "tools": tools} | others
    test_runner = sys.modules["__main__"]
    try:
        result = sys.modules["guest_runner"].run(json.dumps(request).encode())
        while result.startswith(b'{"waiting":'):
            executor.paused(json.loads(result)["waiting"])
            result = sys.modules["guest_runner"].run(b"")
        return result
    finally:
        sys.modules["__main__"] = test_runner
        forget_calls()


def forget_program():
    """Ends the use of an interpreter that was kept. In a real sandbox, the image has not run any program."""
    program, loop, tools = (sys.modules[f"guest_{name}"] for name in ("program", "loop", "tools"))
    program.is_kept = program.keeps = program.parks = loop.is_kept = False
    if loop.program_loop is not None:
        loop.close(loop.program_loop)
    del tools.files[1:]
    program.file_name = tools.files[0]
    sys.modules["guest_caller_tools"].define([])
    guest_files = sys.modules["guest_files"]
    guest_files.names, guest_files.patterns = set(), set()
    sys.modules["guest_guards"].user_builtins.pop("open", None)


def forget_calls():
    """Removes the tool calls that a program never awaited. A real sandbox ends with its program."""
    not_begun = sys.modules["guest_tools"].not_begun
    for coroutine, *_ in not_begun.values():
        coroutine.close()
    not_begun.clear()


@contextlib.contextmanager
def hidden_stderr():
    """Captures stderr, and destroys the program's objects before it returns, so that their output is captured too.

    In a sandbox, finalization does that.
    """
    with contextlib.redirect_stderr(io.StringIO()) as stderr:
        yield stderr
        executor.remember(0)
        gc.collect()


def refuse_constant(name):
    """Fails the test: `NaN` and the infinities are not JSON, although Python parses them."""
    raise AssertionError(f"{name} in a result")


load()
