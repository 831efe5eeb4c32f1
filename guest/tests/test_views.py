"""Views: the modules that programs see."""

import json
import sys
import types
import unittest

from . import ALLOWED_IMPORTS, run

# Attributes of the library's own modules that lead to other modules. The views lack them.
OUT_OF_REACH = [
    ("import json", "json.decoder.scanner.re.enum.bltns", "module 'enum' has no attribute 'bltns'"),
    ("import statistics", "getattr(statistics, 's' + 'ys')", "Attribute 'sys' is not allowed in sandbox"),
    ("import random", "random._os", "module 'random' has no attribute '_os'"),
    ("import collections as c", "c._sys.modules", "module 'sys' has no attribute 'modules'"),
    ("import sys", "sys._getframe", "module 'sys' has no attribute '_getframe'"),
    ("import inspect", "inspect.currentframe", "module 'inspect' has no attribute 'currentframe'"),
    ("import inspect", "inspect.modulesbyfile", "module 'inspect' has no attribute 'modulesbyfile'"),
    ("import traceback", "traceback.walk_tb", "module 'traceback' has no attribute 'walk_tb'"),
    ("import warnings", "warnings.catch_warnings()._module.linecache", "module 'warnings' has no attribute 'linecache'"),
    ("import codecs", "codecs.open", "module 'codecs' has no attribute 'open'"),
    ("import io", "io.open", "module 'io' has no attribute 'open'"),
    ("import logging", "logging.os", "module 'logging' has no attribute 'os'"),
    ("import timeit", "timeit.gc", "module 'timeit' has no attribute 'gc'"),
    ("import asyncio", "asyncio.base_events.socket", "module 'asyncio.base_events' has no attribute 'socket'"),
    ("import urllib.parse", "urllib.error", "module 'urllib' has no attribute 'error'"),
    ("import types", "types.CodeType", "module 'types' has no attribute 'CodeType'"),
]

# Programs that work as with the library's own modules: (code, value)
WORKS = [
    ("import sys\nfrom sys import argv, stdout\n[argv is sys.argv, sys.maxsize > 2**30, sys.version_info >= (3, 9)]", [True] * 3),
    ("import io, sys\nold, sys.stdout = sys.stdout, io.StringIO()\nprint('x')\ntext, sys.stdout = sys.stdout.getvalue(), old\ntext", "x\n"),
    ("import warnings\nwith warnings.catch_warnings(record=True) as w:\n  warnings.simplefilter('always')\n  warnings.warn('m')\nstr(w[0].message)", "m"),
    ("import warnings\nseen = []\nold = warnings.showwarning\nwarnings.showwarning = lambda *a, **k: seen.append(a[0])\n"
     "warnings.warn('m', UserWarning)\nwarnings.showwarning = old\nlen(seen)", 1),
    ("import xml.etree.ElementTree as ET\nfrom xml.etree import ElementTree\n[ET is ElementTree, ET.fromstring('<a>x</a>').text]", [True, "x"]),
    ("import inspect\nclass A:\n  x = 1\n  def f(self): pass\n"
     "[n for n, _ in inspect.getmembers(A) if n in ('x', 'f', '__dict__', '__class__')]", ["f", "x"]),
    ("import json.decoder, json.encoder as e\n[json.decoder is json.decoder, json.encoder is e]", [True, True]),
    ("from json import decoder\nimport json\njson.decoder is decoder", True),
    ("import json\nfrom json import dumps\ndumps is json.dumps", True),
    ("import collections.abc as a\nfrom collections import abc\na is abc", True),
    ("import urllib.parse\nurllib.parse.quote('/ ')", "/%20"),
    ("import json, types\n[type(json) is types.ModuleType, json.__name__]", [True, "json"]),
    ("import math\nmath.sqrt = abs\nmath.sqrt(-4)", 4),
    ("import time, datetime\ntime.time = None\ndatetime.datetime.now().year > 2000", True),
    ("import json\njson.x = 5\nimport json\nfrom json import x\nx", 5),
    ("import zoneinfo\nzoneinfo.TZPATH", []),
    ("import io\nio.StringIO('x').read()", "x"),
    ("import re\nisinstance(re.compile(''), re.Pattern)", True),
]

# Attempts to bypass `import`: (code, type of the error)
REFUSED = [
    ("from random import _os", "ImportError"),
    ("from sys import modules", "ImportError"),
    ("from sys import *", "ImportError"),
    ("import sys.monitoring", "ImportError"),
    ("import sys\nsys.__name__ = 'os'\nfrom sys import path", "ImportError"),
    ("import json\njson.__name__ = 'os'\nfrom json import path", "ImportError"),
    ("import data\ndata.__name__ = 'os'\nfrom data import path", "ImportError"),
    ("import json\ndel json.decoder\nfrom json import decoder\ndecoder.scanner.c_make_scanner\njson.detect_encoding\njson.decoder.scanner.re.enum.bltns", "AttributeError"),
    ("import json.decoder\ndel json.decoder\nimport json.decoder as d\nd.scanner\nd.re.enum.bltns", "AttributeError"),
    ("import json.nothing", "ModuleNotFoundError"),
]


class TestViews(unittest.TestCase):
    def setUp(self):
        # Restore the views, because programs may change them. A sandbox runs only one program.
        for view in sys.modules["guest_views"].views.values():
            self.addCleanup(vars(view).update, dict(vars(view)))

    def test_other_modules_are_out_of_reach(self):
        for statement, path, message in OUT_OF_REACH:
            with self.subTest(path):
                error = run(f"{statement}\n{path}")["error"]
                self.assertEqual((error["type"], error["message"]), ("AttributeError", message))

    def test_hint(self):
        self.assertIn("Importable here: ", run("import json\njson.decoder.scanner.re.copyreg")["error"]["hint"])

    def test_works(self):
        for code, value in WORKS:
            with self.subTest(code):
                result = run(code)
                self.assertIsNone(result["error"])
                self.assertEqual(result["value"], value)

    def test_bypassing_import_fails(self):
        for code, kind in REFUSED:
            with self.subTest(code):
                self.assertEqual(run(code)["error"]["type"], kind)

    def test_the_library_does_not_see_a_programs_changes(self):
        run("import json\njson.dumps = json.JSONEncoder = None")
        self.assertEqual(json.dumps([1]), "[1]")

    def test_views_contain_only_views_and_no_internals(self):
        views = sys.modules["guest_views"].views
        self.assertLessEqual(set(ALLOWED_IMPORTS), views.keys())
        for name, view in views.items():
            for attribute, value in vars(view).items():
                with self.subTest(f"{name}.{attribute}"):
                    if attribute in ("__loader__", "__spec__", "__builtins__"):
                        self.assertIsNone(value)
                    if isinstance(value, types.ModuleType):
                        self.assertIs(views[value.__name__], value)
