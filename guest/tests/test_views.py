"""Views: the modules that programs see."""

import json
import sys
import types
import unittest

from . import ALLOWED_IMPORTS, run

# Attributes of the library's own modules that lead to other modules. The views lack them.
OUT_OF_REACH = [
    ("import json", "json.codecs", "module 'json' has no attribute 'codecs'"),
    ("import json", "json.decoder.scanner.re.enum.bltns", "module 'enum' has no attribute 'bltns'"),
    ("import statistics", "getattr(statistics, 's' + 'ys')", "Attribute 'sys' is not allowed in sandbox"),
    ("import random", "random._os", "module 'random' has no attribute '_os'"),
    ("import collections as c", "c._sys", "module 'collections' has no attribute '_sys'"),
    ("import asyncio", "asyncio.base_events.socket", "module 'asyncio.base_events' has no attribute 'socket'"),
    ("import urllib.parse", "urllib.error", "module 'urllib' has no attribute 'error'"),
    ("import types", "types.CodeType", "module 'types' has no attribute 'CodeType'"),
]

# Programs that work as with the library's own modules: (code, value)
WORKS = [
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
    ("from json import codecs", "ImportError"),
    ("from collections import _sys", "ImportError"),
    ("import json\njson.__name__ = 'os'\nfrom json import path", "ImportError"),
    ("import data\ndata.__name__ = 'os'\nfrom data import path", "ImportError"),
    ("import json\ndel json.decoder\nfrom json import decoder\ndecoder.scanner.c_make_scanner\njson.codecs", "AttributeError"),
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
        self.assertIn("Importable here: ", run("import json\njson.codecs")["error"]["hint"])

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
