"""The builtins and imports of user code."""

import builtins
import sys
import unittest

from . import ALLOWED_IMPORTS, run

REFUSED_BUILTINS = """
eval exec compile open input help globals locals vars dir breakpoint exit quit
""".split()

ALLOWED = [
    "import json",
    "import json.decoder",
    "import json as j",
    "import collections.abc",
    "from collections import abc, OrderedDict",
    "from collections.abc import Mapping",
    "import urllib.parse",
    "import urllib.parse as p",
    "from urllib import parse",
    "from urllib.parse import quote",
    "from math import *",
    "from __future__ import annotations",
    "import data",
    "from data import get_devices",
]

# (code, message)
REFUSED = [
    ("import os", "Import of 'os' is not permitted"),
    ("from sys import path", "Import of 'sys' is not permitted"),
    ("import sys.monitoring", "Import of 'sys' is not permitted"),
    ("import os.path", "Import of 'os' is not permitted"),
    ("from os import path", "Import of 'os' is not permitted"),
    ("import urllib", "Import of 'urllib' is not permitted"),
    ("import urllib.request", "Import of 'urllib' is not permitted"),
    ("from urllib import request", "Import of 'urllib' is not permitted"),
    ("from urllib import parse, request", "Import of 'urllib' is not permitted"),
    ("from urllib.request import urlopen", "Import of 'urllib' is not permitted"),
    ("from urllib import *", "Import of 'urllib' is not permitted"),
    ("import jsonx", "Import of 'jsonx' is not permitted"),
    ("import socket, subprocess", "Import of 'socket' is not permitted"),
    ("import _executor", "Import of '_executor' is not permitted"),
    ("import guest_runner", "Import of 'guest_runner' is not permitted"),
    ("import __main__", "Import of '__main__' is not permitted"),
    ("import builtins", "Import of 'builtins' is not permitted"),
    ("from . import x", "Relative imports are not permitted"),
    ("from .x import y", "Relative imports are not permitted"),
    ("import automation", "Network tools are disabled on this executor"),
    ("from automation import x", "Network tools are disabled on this executor"),
    ("def f():\n  import os\nf()", "Import of 'os' is not permitted"),
]


class TestGuards(unittest.TestCase):
    def test_refused_builtins(self):
        for name in REFUSED_BUILTINS:
            with self.subTest(name):
                error = run(name)["error"]
                self.assertEqual((error["type"], error["message"]), ("NameError", f"name '{name}' is not defined"))

    def test_all_other_builtins_exist(self):
        names = [name for name in vars(builtins) if name not in REFUSED_BUILTINS + ["_"]]
        # The sandbox lacks the names that `site` adds for interactive use.
        names = [name for name in names if name not in ("copyright", "credits", "license")]
        result = run("\n".join(names) + "\n'all'")
        self.assertIsNone(result["error"])
        self.assertIn("__build_class__", names)

    def test_tool_exceptions(self):
        code = "[issubclass(e, ToolError) for e in (ToolTimeout, ToolDenied, ToolArgumentError)] + [issubclass(ToolError, Exception)]"
        self.assertEqual(run(code)["value"], [True] * 4)

    def test_allowed(self):
        for code in ALLOWED + [f"import {name}" for name in ALLOWED_IMPORTS if name != "__future__"]:
            with self.subTest(code):
                self.assertIsNone(run(code)["error"])

    def test_refused(self):
        for code, message in REFUSED:
            with self.subTest(code):
                error = run(code)["error"]
                self.assertEqual((error["type"], error["message"]), ("ImportError", message))
                self.assertEqual(run(f"try:\n  {code}\nexcept ImportError:\n  1" if "\n" not in code else "1")["value"], 1)

    def test_the_library_may_import_any_module(self):
        # In its own Python code, and in C code that runs in the program's frame.
        for code, value in (
            ("import uuid\nlen(str(uuid.uuid3(uuid.NAMESPACE_DNS, 'x')))", 36),
            ("import datetime\ndatetime.datetime.strptime('2024', '%Y').year", 2024),
            ("import time\ntime.strptime('2024', '%Y').tm_year", 2024),
        ):
            with self.subTest(code):
                hidden = sys.modules.pop("_strptime", None)
                self.addCleanup(sys.modules.__setitem__, "_strptime", hidden)
                result = run(code)
                self.assertIsNone(result["error"])
                self.assertEqual(result["value"], value)

    def test_missing_submodule(self):
        self.assertEqual(run("import json.missing")["error"]["type"], "ModuleNotFoundError")
