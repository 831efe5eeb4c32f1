#!/usr/bin/env python3
"""Runs CPython's own tests in the sandbox, one module per execution, and compares how they end with what is expected.

usage: run.py [--executor PROGRAM] [--quick] [--write NATIVE] [MODULE…]

`modules.tsv` has a row for each module: the number of its tests that pass in a native CPython of the same release (`native`);
how many of those need what the sandbox does not have (`needs`); how many of those pass in the sandbox (`same`); how many
tests pass in the sandbox (`passed`), and in how many seconds. `differences.tsv` names each test that fails in the
sandbox, and why. The exit status is 1 if another test fails, or if fewer tests pass.

`--quick` leaves out the modules that take longest. `--write` runs the tests in the interpreter NATIVE too, and writes both
files; a difference that is new there has the reason `?`.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PROGRAM = HERE / "program.py"
COLUMNS = ("module", "native", "needs", "same", "passed", "seconds")
# After a test that ends the interpreter, the module goes on in another execution, this often.
CONTINUATIONS_MAX = 60
QUICK_SECONDS_MAX = 1
SETTINGS = {
    "POLICY": "open",
    "MAX_MEMORY_MB": "2048",
    "EXECUTION_TIMEOUT": "300",
    "MAX_CPU_PERCENT": "100",
    "MAX_OUTPUT_BYTES": str(32 << 20),
    "LOG_LEVEL": "ERROR",
    "CACHE_DIR": os.environ.get("CACHE_DIR") or str(ROOT / "target/tmp/images"),
}
# In a native interpreter, the variables of the program come from standard input too.
NATIVE = "import json, sys; exec(compile(open(sys.argv[1]).read(), 'main.py', 'exec'), json.load(sys.stdin) | {'__name__': '__main__'})"
# Modules of the library that tests import for their own use, and the sandbox does not have.
HELPERS = """
_osx_support _py_abc _pydatetime _pyio _pyrepl/__init__ _pyrepl/pager compileall getpass http/client http/cookiejar http/cookies http/server
importlib/_bootstrap importlib/_bootstrap_external logging/config logging/handlers mailbox pydoc selectors site socketserver
wsgiref/__init__ wsgiref/handlers wsgiref/headers wsgiref/simple_server wsgiref/types wsgiref/util zipapp
""".split()
# They test what is not in the sandbox, or other programs of CPython's. Beginnings of their names.
LEFT_OUT = """
_test test_android test_apple test_asdl test_bigaddr test_bigmem test_c_locale test_cext test_clinic test_cmd_line test_concurrent_futures
test_cppext test_ctypes test_curses test_devpoll test_difflib_expect test_docxmlrpc test_dtrace test_eintr test_embed
test_ensurepip test_epoll test_external_inspection test_faulthandler test_fcntl test_file_eintr test_fork1 test_free_threading
test_ftplib test_gdb test_generated_cases test_httplib test_httpservers test_idle test_imaplib test_interpreters test_ioctl
test_kqueue test_largefile test_launcher test_mmap test_msvcrt test_multiprocessing test_openpty test_peg_generator test_perf
test_poll test_poplib test_pty test_pyrepl test_readline test_regrtest test_repl test_resource test_select test_smtp
test_socket test_ssl test_startfile test_subprocess test_syslog test_termios test_threadedtempfile test_threadsignals
test_timeout test_tkinter test_tools test_ttk test_tty test_urllib2_local test_urllib2net test_urllibnet test_utf8_mode
test_venv test_wait test_winapi test_winconsole test_winreg test_winsound test_wmi test_wsgiref test_xmlrpc test_xxlimited
test_zipfile64
""".split()
# Tests that need a socket, a process, a thread, another module that the sandbox does not have, or CPython's modules in C for
# tests: by why they do not pass here, or by their ids.
NEEDS = re.compile(
    r"process|fork|spawn|popen|os\.(kill|pipe|exec)|PYTHONSAFEPATH|thread|socket|network|select|\bIPv6|\bssl\b|_events'|"
    r"_test(?!_path)\w+|_xx\w+|xxsubtype|subinterpreters|ndarray object|"
    r"\b(lzma|ctypes|pwd|grp|fcntl|termios|readline|tzset|_uuid|_hashlib|_locale)\b|No module named",
    re.IGNORECASE,
)
NEEDS_BY_ID = re.compile(
    r"test\.test_asyncio\.test_(events|proactor_events|sendfile|sock_lowlevel|ssl|subprocess|unix_events)\.|"
    r"test\.test_(import|importlib|pkgutil)\."
)

Test = collections.namedtuple("Test", "id outcome reason")


def main():
    options = parsed_options()
    tests = pathlib.Path(os.environ.get("CPYTHON_TESTS") or output_of(HERE.parent / "cpython-tests.sh"))
    expected = {name: dict(zip(COLUMNS[1:], row)) for name, *row in rows("modules.tsv")}
    modules = options.modules or sorted(modules_of(tests) if options.write else expected)
    if options.quick:
        modules = [name for name in modules if int(expected[name]["seconds"]) <= QUICK_SECONDS_MAX]
    here, seconds = run_all(in_sandbox(options.executor, packages_of(tests)), modules)
    if options.write:
        modules = [name for name in modules if any(test.outcome == "passed" for test in here[name].values())]
        native, _ = run_all(in_native(options.write), modules)
        write(native, here, seconds)
        return 0
    return compare(here, expected)


def parsed_options():
    parser = argparse.ArgumentParser(description="Runs CPython's own tests in the sandbox.")
    parser.add_argument("--executor", default=ROOT / "target/debug/ai-code-executor", type=pathlib.Path)
    parser.add_argument("--quick", action="store_true", help="leave out the modules that take longest")
    parser.add_argument("--write", metavar="NATIVE", help="write the expectations; NATIVE is a CPython of the same release")
    parser.add_argument("modules", nargs="*", metavar="MODULE")
    options = parser.parse_args()
    options.executor = options.executor.resolve()
    return options


def output_of(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def rows(name):
    """Yields the fields of a file's lines, without comments."""
    path = HERE / name
    lines = path.read_text().splitlines() if path.exists() else []
    return [line.split("\t") for line in lines if line and not line.startswith("#")]


def modules_of(tests):
    """Returns the names of all modules and packages of tests that are not left out."""
    names = {path.stem for path in tests.glob("test_*") if path.is_dir() or path.suffix == ".py"}
    return {name for name in names if not name.startswith(tuple(LEFT_OUT))}


def packages_of(tests):
    """Returns a directory, the value for PACKAGES, with the tests and their helpers."""
    directory = ROOT / "target/conformance-python/packages"
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(tests, directory / "test", ignore=shutil.ignore_patterns("__pycache__"))
    (directory / "helpers").mkdir()
    for name in HELPERS:
        shutil.copy(tests.parent / f"{name}.py", directory / "helpers" / f"{name.replace('/', '.')}.py")
    return directory


def run_all(start, modules):
    """Runs all modules, as many at a time as there are processors. Returns two dictionaries by module: of tests by id, and
    of seconds.
    """
    tests, seconds = {}, {}

    def run(module):
        began = time.monotonic()
        # Some tests have the same id.
        tests[module] = {test.id: test for test in sorted(run_module(start, module), key=lambda test: test.outcome == "passed", reverse=True)}
        seconds[module] = time.monotonic() - began
        print(f"{module}: {seconds[module]:.1f} s, {counted(tests[module].values())}", flush=True)

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(run, modules))
    return tests, seconds


def run_module(start, module):
    """Returns the module's tests. One that ends the interpreter has the outcome `ended`."""
    tests = []
    for _ in range(CONTINUATIONS_MAX):
        variables = {"module": module, "left_out": [test.id for test in tests]}
        with tempfile.TemporaryDirectory() as directory:
            ended = start(directory, json.dumps(variables))
        begun, is_complete = None, False
        for line in re.split(r"\n(?=[\x1d-\x1f])", ended.stdout.decode(errors="replace")):
            mark, text = line[:1], line[1:].split("\n")[0]
            if mark == "\x1e":
                begun = text
            elif mark == "\x1f" and begun is not None:
                tests.append(Test(begun, *text.split("\t", 1)))
                begun = None
            is_complete = is_complete or mark == "\x1d"
        if is_complete:
            return tests
        said = ended.stderr.decode(errors="replace").strip().split("\n")[-1]
        tests.append(Test(begun or f"end of {module}", "ended", said))
        if begun is None:
            return tests
    return tests


def in_sandbox(executor, packages):
    def start(directory, variables):
        environment = os.environ | SETTINGS | {"PACKAGES": str(packages)}
        command = [executor, "run", PROGRAM, "--context", "-"]
        return subprocess.run(command, input=variables.encode(), env=environment, cwd=directory, capture_output=True)

    return start


def in_native(python):
    def start(directory, variables):
        environment = {"PATH": os.environ["PATH"], "HOME": directory, "LC_ALL": "C.UTF-8"}
        command = [python, "-B", "-c", NATIVE, PROGRAM]
        try:
            return subprocess.run(command, input=variables.encode(), env=environment, cwd=directory, capture_output=True, timeout=600)
        except subprocess.TimeoutExpired as expired:
            return subprocess.CompletedProcess(command, 1, expired.stdout or b"", b"timeout")

    return start


def counted(tests):
    counts = collections.Counter(test.outcome for test in tests)
    names = ("passed", "failed", "error", "ended", "skipped")
    return ", ".join(f"{counts[name]} {name}" for name in names if counts[name])


def failures(here):
    """Returns the tests that did not end well, by id."""
    return {id: test for tests in here.values() for id, test in tests.items() if test.outcome in ("failed", "error", "ended")}


def compare(here, expected):
    """Prints how the tests ended. Returns 1 if that is worse than expected."""
    known = {id: why for why, id in rows("differences.tsv")}
    faults = [f"{id}: {test.outcome}: {test.reason}" for id, test in failures(here).items() if id not in known]
    for module, tests in here.items():
        passed = sum(test.outcome == "passed" for test in tests.values())
        wanted = int(expected.get(module, {"passed": 0})["passed"])
        if passed < wanted:
            faults.append(f"{module}: {passed} tests passed instead of {wanted}")
    tests = [test for tests in here.values() for test in tests.values()]
    print(f"CPython's own tests: {len(here)} modules, {len(tests)} tests: {counted(tests)}")
    reasons = collections.Counter(test.reason for test in tests if test.outcome == "skipped")
    for reason, count in reasons.most_common(12):
        print(f"  {count} skipped: {reason}")
    native, needs, same = (sum(int(expected[name][column]) for name in here if name in expected) for column in ("native", "needs", "same"))
    print(f"Expected: of {native} tests that pass natively, {needs} need what is not here, {same} of the others pass: {same / (native - needs):.2%}")
    for fault in faults:
        print(f"  NOT AS EXPECTED: {fault}")
    return 1 if faults else 0


def write(native, here, seconds):
    lines = []
    for module, tests in sorted(native.items()):
        wanted = {id for id, test in tests.items() if test.outcome == "passed"}
        passed = {id for id, test in here[module].items() if test.outcome == "passed"}
        needs = {id for id in wanted - passed if NEEDS_BY_ID.match(id) or NEEDS.search(why_not(id, module, here[module]))}
        row = (module, len(wanted), len(needs), len(wanted & passed), len(passed), max(1, round(seconds[module])))
        lines.append("\t".join(map(str, row)))
        for id in sorted(wanted - passed - needs):
            print(f"  {id}: {why_not(id, module, here[module])}")
    write_below_comments("modules.tsv", lines)
    known = {id: why for why, id in rows("differences.tsv")}
    here = {module: here[module] for module in native}
    write_below_comments("differences.tsv", sorted(f"{known.get(id, '?')}\t{id}" for id in failures(here)))


def why_not(id, module, tests):
    """Returns why a test did not pass, also if its class or module was skipped as a whole."""
    if id in tests:
        return tests[id].reason
    for other, test in tests.items():
        found = re.fullmatch(r"setUp\w+ \((.*)\)|unittest\.loader\.\w+\.(.*)", other)
        if other == module or found and id.startswith(found[1] or found[2]):
            return test.reason
    return "did not run"


def write_below_comments(name, lines):
    path = HERE / name
    comments = [line for line in path.read_text().splitlines() if line.startswith("#")] if path.exists() else []
    path.write_text("\n".join(comments + lines) + "\n")


if __name__ == "__main__":
    sys.exit(main())
