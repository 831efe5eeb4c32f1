"""Runs one of CPython's modules of tests and prints how each test ended. Runs in the sandbox, and in a native CPython.

Variables: `module`, the name of a module of tests; `left_out`, ids of tests that do not run. Prints a line when a test
begins (`\\x1e` and its id), when it ends (`\\x1f`, the outcome and a reason), and when all have ended (`\\x1d`): so it is
known which test ended the interpreter.
"""

import contextlib
import importlib.machinery
import importlib.util
import os
import re
import sys
import traceback
import types
import unittest

# Modules that tests import for their own use, from CPython's library; the sandbox does not have them.
HELPERS = "/packages/helpers"
# Modules in C that only CPython's tests use.
TEST_MODULE = re.compile(r"_(test|xx)\w+|xx\w+|multiprocessing\b.*")
# What the sandbox says about what it does not have.
NO_SOCKET = re.compile(r"\bsockets? .*not exist|\b(socket|urllib\.request)\b.*(not exist in this sandbox|not have the attribute)")
NO_PROCESS = re.compile(r"\bsubprocess\b.*(not exist in this sandbox|not have the attribute)|'os' has no attribute '(fork|popen|spawn|wait)")
SOCKETS, PROCESSES, THREADS = "needs sockets", "needs processes", "needs threads"
# Classes that use more than stand-ins can stand for, or leave the interpreter in a state in which other tests fail.
SKIPPED = {
    "test.test_asyncio.test_base_events.BaseEventLoopWithSelectorTests": "needs sockets",
    "test.test_asyncio.test_selector_events": "needs sockets",
    "test.test_asyncio.test_sendfile.SelectEventLoopTests": "needs sockets",
    "test.test_asyncio.test_tasks.RunCoroutineThreadsafeTests": "needs threads",
    "test.test_support.TestIsolated": "needs processes",
    "test.test_tarfile.TestExtractionFilters.test_realpath_limit_attack": "makes paths that are too long to remove them",
    "test.test_monitoring.TestCApiEventGeneration": "needs _testcapi",
}  # fmt: skip

stdout = sys.stdout
is_sandbox = sys.platform == "wasi"


class Result(unittest.TestResult):
    """Prints what happens. A test ends as the worst of its subtests."""

    def startTest(self, test):
        self.outcome = None
        print(f"\n\x1e{test.id()}", file=stdout, flush=True)

    def stopTest(self, test):
        outcome, reason = self.outcome or ("passed", "")
        print(f"\n\x1f{outcome}\t{reason}", file=stdout, flush=True)

    def end(self, test, outcome, reason=""):
        if not isinstance(test, unittest.TestCase):
            # A class or a module that could not be set up: its tests do not begin.
            self.startTest(test)
            self.outcome = outcome, one_line(reason)
            self.stopTest(test)
        elif self.outcome is None or outcome != "skipped":
            self.outcome = outcome, one_line(reason)

    def addSuccess(self, test):
        pass

    def addError(self, test, error):
        reason = said(error)
        need = is_sandbox and needed(error[1], reason)
        self.end(test, *(("skipped", need) if need else ("error", reason)))

    def addFailure(self, test, error):
        self.end(test, "failed", said(error))

    def addSubTest(self, test, subtest, error):
        if error is not None:
            (self.addFailure if issubclass(error[0], test.failureException) else self.addError)(test, error)

    def addSkip(self, test, reason):
        self.end(test, "skipped", reason)

    def addExpectedFailure(self, test, error):
        pass

    def addUnexpectedSuccess(self, test):
        self.end(test, "failed", "unexpected success")


class Missing:
    """Stands in for what a module that does not exist in the sandbox has. Tests that call it are skipped."""

    def __init__(self, need):
        self.need = need

    def skip(self, *args, **kwargs):
        raise unittest.SkipTest(self.need)

    __call__ = __index__ = __int__ = __iter__ = __enter__ = skip


class MissingModule(types.ModuleType):
    """Stands in for a module that does not exist in the sandbox."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Missing(f"needs {self.__name__}")


class Finder:
    """Finds helpers and, once the module of tests cannot be imported without, stand-ins. Runs after all other finders."""

    has_stand_ins = False

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        for file in (f"{HELPERS}/{name}.py", f"{HELPERS}/{name}.__init__.py"):
            if os.path.exists(file):
                places = [] if "__init__" in file else None
                return importlib.util.spec_from_file_location(name, file, submodule_search_locations=places)
        if cls.has_stand_ins and TEST_MODULE.fullmatch(name):
            return importlib.machinery.ModuleSpec(name, cls)
        return None

    @staticmethod
    def create_module(spec):
        return MissingModule(spec.name)

    @staticmethod
    def exec_module(module):
        pass


def needed(error, reason):
    """Returns what a test needs that the sandbox does not have, if that is why it failed."""
    if isinstance(error, ModuleNotFoundError) and error.name and TEST_MODULE.fullmatch(error.name):
        return f"needs {error.name}"
    if "can't start new thread" in reason:
        return THREADS
    return NO_SOCKET.search(reason) and SOCKETS or NO_PROCESS.search(reason) and PROCESSES


def said(error):
    return one_line(traceback.format_exception_only(*error[:2])[-1])


def one_line(text):
    text = re.sub(r"\s+", " ", str(text)).strip()
    return text if len(text) < 400 else f"{text[:100]} … {text[-250:]}"


def without(tests, names):
    """Returns a suite without the tests of these names."""
    if isinstance(tests, unittest.TestCase):
        return unittest.TestSuite([] if tests.id() in names or is_skipped(tests.id()) else [tests])
    return unittest.TestSuite(without(test, names) for test in tests)


def tests_in(tests):
    """Yields the tests of a suite and of the suites in it."""
    for test in tests:
        yield from [test] if isinstance(test, unittest.TestCase) else tests_in(test)


def is_skipped(name):
    """Reports a test in `SKIPPED`, and returns whether it is one."""
    for prefix, reason in SKIPPED.items():
        if name.startswith(prefix):
            print(f"\n\x1e{name}\n\x1fskipped\t{reason}", file=stdout)
            return True
    return False


def loaded():
    """Returns the module's tests, and why there are none."""
    try:
        tests = unittest.TestLoader().loadTestsFromName(f"test.{module}")
    except unittest.SkipTest as skipped:
        return None, ("skipped", one_line(skipped))
    except Exception as error:
        return None, ("error", said((type(error), error)))
    first = next(iter(tests), None)
    if isinstance(first, unittest.loader._FailedTest) and "." not in module:
        return None, ("error", one_line(first._exception))
    return tests, None


def prepare():
    from test import support
    from test.support import import_helper

    # As regrtest does without options: no network, no test that takes minutes.
    support.use_resources, support.verbose = [], 0
    support.record_original_stdout(stdout)
    if not is_sandbox:
        return
    sys.meta_path.append(Finder)
    # All of the library is frozen: without frozen modules, there is none.
    import_helper.frozen_modules = lambda enabled=True: contextlib.nullcontext()
    # Tests that other builds for WASI would fail run here.
    support.is_wasi = False
    # It returns no decorator where `_testinternalcapi` is missing.
    support.skip_if_suppress_immortalization = lambda: lambda test: test
    # Other modules of tests import one function from each of these, which cannot be imported here.
    for name, functions in {
        "test.test_import": {"no_rerun": lambda reason: lambda test: test},
        "test.test_importlib.util": {"uncache": uncache},
    }.items():
        if not name.startswith(f"test.{module}"):
            sys.modules[name] = types.ModuleType(name)
            vars(sys.modules[name]).update(functions)
    # Most tests of modules that say so need neither. Those that do are skipped when they do.
    support.has_subprocess_support = support.has_socket_support = True
    import socket
    import subprocess
    import urllib.request

    # What other modules of the library read while they are imported.
    urllib.request.pathname2url = Missing(SOCKETS)
    vars(socket).update(AF_INET=2, AF_INET6=10, SOCK_DGRAM=2, IPPROTO_TCP=6, has_ipv6=False, _GLOBAL_DEFAULT_TIMEOUT=object())
    sys.modules["select"] = select = types.ModuleType("select")
    select.error, select.select = OSError, Missing(SOCKETS)
    for name in ("Popen", "call", "check_call", "check_output", "run"):
        setattr(subprocess, name, Missing(PROCESSES))
    for name in ("CalledProcessError", "TimeoutExpired"):
        setattr(subprocess, name, type(name, (Exception,), {}))


@contextlib.contextmanager
def uncache(*names):
    """Removes modules from `sys.modules`, before and after."""
    for name in names:
        sys.modules.pop(name, None)
    try:
        yield
    finally:
        for name in names:
            sys.modules.pop(name, None)


def main():
    prepare()
    tests, why = loaded()
    is_partial = why or any(isinstance(test, unittest.loader._FailedTest) for test in tests_in(tests))
    if is_partial and is_sandbox:
        Finder.has_stand_ins = True
        for name in [name for name in sys.modules if name.startswith(f"test.{module}")]:
            del sys.modules[name]
        tests, why = loaded()
    if why:
        print(f"\n\x1e{module}\n\x1f" + "\t".join(why), file=stdout)
    else:
        selects = left_out or is_sandbox and any(name.startswith(f"test.{module}") for name in SKIPPED)
        (without(tests, set(left_out)) if selects else tests).run(Result())


main()
print("\n\x1d", file=stdout, flush=True)
