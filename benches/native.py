"""Measures a program in the Python that runs this script, from its text to its value, as the sandbox does.

Prints JSON: the median CPU time in seconds, and the value.
"""

import ast
import json
import statistics
import sys
import time
from pathlib import Path

SECONDS = 1.0
ROUNDS_MIN = 5


def run(code):
    tree = ast.parse(code)
    last = ast.Expression(tree.body.pop().value)
    names = {"__name__": "__main__"}
    exec(compile(tree, "main.py", "exec"), names)
    return eval(compile(last, "main.py", "eval"), names)


def main(file):
    code = Path(file).read_text()
    # The first run, which imports modules, does not count: in the sandbox, the image contains them already.
    value, times, end = run(code), [], time.perf_counter() + SECONDS
    while len(times) < ROUNDS_MIN or time.perf_counter() < end:
        started = time.process_time()
        run(code)
        times.append(time.process_time() - started)
    print(json.dumps({"seconds": statistics.median(times), "value": value}))


if __name__ == "__main__":
    main(sys.argv[1])
