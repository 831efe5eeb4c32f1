"""State of the image, and state that every run must have anew."""

import pathlib
import random
import subprocess
import sys
import unittest
import uuid

from . import ALLOWED_IMPORTS, run

GUEST = pathlib.Path(__file__).parent.parent
# Runs in a new interpreter without sockets and processes, as in the sandbox.
IMPORT_ASYNCIO = """
import importlib.util, sys, types
for name in ("_socket", "_ssl", "select", "_posixsubprocess", "fcntl"):
    sys.modules[name] = None
sys.modules["_executor"] = types.ModuleType("_executor")
def load(name):
    spec = importlib.util.spec_from_file_location("guest_" + name, f"{sys.argv[1]}/{name}.py")
    sys.modules[spec.name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
load("absent").install()
loop = load("loop")
loop.install()
import asyncio, platform, socket, subprocess
from urllib.request import Request, urlopen
assert asyncio.run(asyncio.sleep(0, 5)) == 5
assert type(asyncio.new_event_loop()) is loop.HostLoop
for use in ("socket.create_connection", "socket.AF_INET"):
    try:
        eval(use)
    except AttributeError as error:
        print(error)
for use in (socket.socket, Request, urlopen, subprocess.run, subprocess.Popen):
    try:
        use()
    except OSError as error:
        print(error)
try:
    subprocess.check_output(["uname"])
except (OSError, subprocess.CalledProcessError, subprocess.TimeoutExpired):
    pass
assert platform.platform()
"""


def prepared():
    """Resets `guest_fresh` to its state in the image: nothing has been refreshed."""
    sys.modules["guest_fresh"].seeded.clear()


class TestImage(unittest.TestCase):
    def setUp(self):
        # A function of the platform's C library. The sandbox lacks it.
        self.addCleanup(setattr, uuid, "_generate_time_safe", uuid._generate_time_safe)
        uuid._generate_time_safe = None

    def two_runs(self, code):
        """Returns the values of two runs from the same image."""
        values = []
        for _ in range(2):
            prepared()
            random.setstate(FROZEN)
            uuid._node = uuid._last_timestamp = None
            result = run(code)
            self.assertIsNone(result["error"])
            values.append(result["value"])
        return values

    def test_two_runs_differ(self):
        for code in (
            "import random\n[random.random(), random.randint(0, 10 ** 9)]",
            "from random import shuffle\nx = list(range(1000))\nshuffle(x)\nx",
            "import json\nimport random\nrandom.random()",
            "import statistics\nstatistics.NormalDist().samples(3)",
            "import uuid\nstr(uuid.uuid4())",
            "import uuid\nuuid.uuid1().node",
            "import uuid\nuuid.uuid1().clock_seq * 2 ** 48 + uuid.getnode()",
            "import secrets\nsecrets.token_hex(8)",
            "import random\nrandom.Random().random()",
        ):
            with self.subTest(code):
                first, second = self.two_runs(code)
                self.assertNotEqual(first, second)

    def test_later_imports_keep_the_programs_seed(self):
        code = "import random\nrandom.seed(7)\nimport statistics, uuid\nrandom.random()"
        first, second = self.two_runs(code)
        self.assertEqual(first, random.Random(7).random())
        self.assertEqual(first, second)

    def test_every_allowed_module_is_classified(self):
        """Fails for a new module until somebody has checked whether it needs a refresh."""
        roots = {name.partition(".")[0] for name in ALLOWED_IMPORTS}
        self.assertEqual(roots - sys.modules["guest_fresh"].STATELESS, {"logging", "random", "statistics", "sys", "uuid"})

    def test_stateless_modules_do_not_use_random(self):
        for name in sys.modules["guest_fresh"].STATELESS - {"secrets"}:
            values = [value for value in vars(sys.modules[name]).values()]
            self.assertNotIn(random, values, name)
            self.assertNotIn(random.random, values, name)

    def test_time_zones(self):
        zone = "import zoneinfo, datetime\n"
        for code, value in (
            ("datetime.datetime(2024, 1, 1, tzinfo=zoneinfo.ZoneInfo('Test/Ninety'))", "2024-01-01T00:00:00+01:30"),
            ("str(zoneinfo.ZoneInfo('UTC'))", "UTC"),
            ("zoneinfo.available_timezones()", ["Test/Ninety", "UTC"]),
            ("zoneinfo.TZPATH", []),
        ):
            with self.subTest(code):
                result = run(zone + code)
                self.assertIsNone(result["error"])
                self.assertEqual(result["value"], value)
        self.assertEqual(run(zone + "zoneinfo.ZoneInfo('No/Where')")["error"]["type"], "ZoneInfoNotFoundError")
        self.assertEqual(run(zone + "zoneinfo.ZoneInfo('../etc')")["error"]["type"], "ValueError")

    def test_error_for_an_allowed_import_that_does_not_exist(self):
        with self.assertRaisesRegex(ImportError, "ALLOWED_IMPORTS names 'nosuch', which this interpreter lacks"):
            sys.modules["guest_runner"].prepare({"allowed_imports": ["json", "nosuch"], "guards": True, "packages": []})

    def test_asyncio_without_sockets(self):
        done = subprocess.run(
            [sys.executable, "-c", IMPORT_ASYNCIO, str(GUEST)], capture_output=True, text=True, timeout=60
        )
        self.assertEqual(done.stderr, "")
        self.assertEqual(done.stdout.count("does not exist in this sandbox"), 2)
        self.assertEqual(done.stdout.count("sockets do not exist in this sandbox"), 3)
        self.assertEqual(done.stdout.count("processes do not exist in this sandbox"), 2)


FROZEN = random.getstate()
