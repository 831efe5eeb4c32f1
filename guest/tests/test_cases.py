"""Runs the programs in `tests/cases/` and `tests/corpus/` in the guest's runner on this CPython. The results equal those in the sandbox."""

import contextlib
import io
import json
import logging
import pathlib
import re
import sys
import unittest
import warnings

from . import executor, run

TESTS = pathlib.Path(__file__).parents[2] / "tests"
KEYS = {
    "value", "repr", "stdout", "stderr_contains", "outcome", "error", "line", "hint_contains", "context", "host",
}  # fmt: skip
NEEDS = re.compile(r"needs Python 3\.(\d+)")


class TestCases(unittest.TestCase):
    """One subtest per program."""

    maxDiff = None

    def test_programs_match_their_expectations(self):
        paths = [*sorted(TESTS.glob("cases/*.py")), *sorted(TESTS.glob("corpus/*.py"))]
        self.assertGreater(len(paths), 200)
        for path in paths:
            with self.subTest(path.stem):
                check(self, path.read_text(encoding="utf-8"))


def check(test, code):
    """Runs one program and compares the results with its expectations. Skips programs that need the sandbox."""
    expected = expectations(code)
    test.assertLessEqual(expected.keys(), KEYS)
    if not runs_here(expected.get("host")):
        return
    stdout, stderr = io.StringIO(), io.StringIO()
    restore_later(test)
    with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        result = run(code, expected.get("context"))
        executor.reset()
    test.doCleanups()
    error = result["error"] or {}
    actual = {
        "error": ": ".join(filter(None, (error.get("type"), error.get("message")))) or None,
        "outcome": "failure" if error else "completed",
        "line": error.get("line"),
        "value": result["value"],
        "repr": result["value_is_repr"],
        "stdout": stdout.getvalue(),
    }
    for key, value in ({"error": None, "outcome": "completed"} | expected).items():
        if key in actual:
            # Compare as JSON, because 1 == 1.0 == True in Python.
            test.assertEqual(json.dumps(actual[key], sort_keys=True), json.dumps(value, sort_keys=True), key)
    test.assertIn(expected.get("stderr_contains", ""), stderr.getvalue())
    test.assertIn(expected.get("hint_contains", ""), error.get("hint") or "")


def restore_later(test):
    """Restores what programs change in the library for their own process."""
    handlers, level, filters = logging.root.handlers[:], logging.root.level, warnings.filters[:]
    test.addCleanup(sys.setrecursionlimit, sys.getrecursionlimit())
    test.addCleanup(logging.root.setLevel, level)
    test.addCleanup(lambda: logging.root.handlers.__setitem__(slice(None), handlers))
    test.addCleanup(lambda: warnings.filters.__setitem__(slice(None), filters))


def expectations(code):
    """Parses the lines `#> key: JSON` of a program."""
    lines = [line.removeprefix("#> ").partition(": ") for line in code.splitlines() if line.startswith("#> ")]
    return {key: json.loads(text) for key, _, text in lines}


def runs_here(host):
    """Returns whether this CPython can run a program with this `host` line: there is none, or it asks for a version of
    Python that this one satisfies.
    """
    needs = NEEDS.fullmatch(host or "needs Python 3.0")
    return bool(needs) and sys.version_info >= (3, int(needs[1]))


if __name__ == "__main__":
    unittest.main()
