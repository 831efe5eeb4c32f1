"""Compares native Python, ai-code-executor over HTTP, and pyeryx and pydantic-monty if they are installed.

They run `1 + 1` and programs in turn, each program in a sandbox of its own. Times are wall-clock times, as seen from
this Python. A contender has no time for a program that it cannot run or runs wrongly.

Prints JSON: the names, the median times in seconds for `1 + 1`, and those for the programs.
"""

import ast
import contextlib
import http.client
import json
import statistics
import sys
import time
from importlib import metadata
from pathlib import Path

import native

SECONDS = 3.0
ROUNDS_MIN = 3


def ours(port):
    """Waits until the service is ready. Returns a function that runs a program over a kept connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    headers = {"X-Executor-Token": "local-dev-token", "Content-Type": "application/json"}

    def run(code):
        connection.request("POST", "/execute", json.dumps({"code": code}), headers)
        return json.loads(connection.getresponse().read())["return_value"]

    while True:
        try:
            run("1")
            return run
        except (OSError, KeyError):
            connection.close()
            time.sleep(0.1)


def printing_value(code):
    """Returns the program, changed so that it prints its value as JSON at the end."""
    last = ast.parse(code).body[-1]
    lines = code.splitlines()
    lines[last.lineno - 1 :] = ["import json", f"print(json.dumps({ast.unparse(last)}))"]
    return "\n".join(lines)


def pyeryx(_):
    import eryx

    return lambda code: json.loads(eryx.Sandbox().execute(printing_value(code)).stdout)


def pydantic_monty(stack):
    import pydantic_monty as monty

    pool = stack.enter_context(monty.Monty())

    def run(code):
        with pool.checkout() as session:
            return session.feed_run(code)

    return run


def runs_rightly(run, code, value):
    try:
        return json.loads(json.dumps(run(code))) == value
    except Exception as error:
        print(f"{type(error).__name__}: {error}"[:200], file=sys.stderr)
        return False


def measure(contenders, code):
    """Returns the median time of each contender that runs the program rightly."""
    value = json.loads(json.dumps(native.run(code)))
    times = {name: [] for name, run in contenders.items() if runs_rightly(run, code, value)}
    rounds, end = 0, time.perf_counter() + SECONDS
    while rounds < ROUNDS_MIN or time.perf_counter() < end:
        for name, taken in times.items():
            started = time.perf_counter()
            contenders[name](code)
            taken.append(time.perf_counter() - started)
        rounds += 1
    return {name: statistics.median(taken) for name, taken in times.items()}


def main(port, files):
    with contextlib.ExitStack() as stack:
        contenders = {f"native {sys.version.split()[0]}": native.run, "ai-code-executor, over HTTP": ours(int(port))}
        for distribution, opened in [("pyeryx", pyeryx), ("pydantic-monty", pydantic_monty)]:
            with contextlib.suppress(metadata.PackageNotFoundError):
                contenders[f"{distribution} {metadata.version(distribution)}"] = opened(stack)
        start = measure(contenders, "1 + 1")
        programs = {Path(file).stem: measure(contenders, Path(file).read_text()) for file in files}
    print(json.dumps({"names": list(contenders), "start": start, "programs": programs}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
