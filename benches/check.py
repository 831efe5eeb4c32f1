#!/usr/bin/env python3
"""Compares measurements with baseline.json: `make bench-check`. With `--write`, writes baseline.json.

It compares ratios to native Python, measured in the same minute, so a baseline is valid on other machines.
"""

import json
import sys

import measure

BASELINE = measure.BENCHES / "baseline.json"
GROWTH_MAX = 0.15

START = "1 + 1"


def ratio(built, name):
    if name == START:
        measured = measure.starts(built)
        return measured["sandbox"]["warm/sandbox_run"] / measured["native"][-1]["seconds"]
    measured = measure.program(built, measure.BENCHES / "programs" / f"{name}.py")
    return measured["sandbox"] / measured["native"][-1]["seconds"]


def is_slower(found, expected):
    return found > expected * (1 + GROWTH_MAX)


def main():
    python = measure.native_version(measure.pythons()[-1]).rsplit(".", 1)[0]
    names = [START, *(file.stem for file in measure.PROGRAMS)]
    if "--write" in sys.argv:
        built = measure.executables()
        ratios = {name: round(ratio(built, name), 4) for name in names}
        BASELINE.write_text(json.dumps({"python": python, "ratios": ratios}, indent=2) + "\n")
        return
    baseline = json.loads(BASELINE.read_text())
    if baseline["python"] != python:
        sys.exit(f"the baseline is for Python {baseline['python']}, not {python}: set PYTHON313, or `make bench-baseline`")
    expected, built = baseline["ratios"], measure.executables()
    if set(expected) != set(names):
        sys.exit("the baseline is for other programs: run `make bench-baseline`")
    found = {name: ratio(built, name) for name in names}
    # Measure slow programs again: a slowdown that another process caused is not repeated.
    found |= {name: min(found[name], ratio(built, name)) for name in names if is_slower(found[name], expected[name])}
    for name in names:
        growth, verdict = found[name] / expected[name] - 1, "SLOWER" if is_slower(found[name], expected[name]) else ""
        print(f"{name:20} {found[name]:8.4f}  baseline {expected[name]:8.4f}  {growth:+5.0%} {verdict}")
    sys.exit(any(is_slower(found[name], expected[name]) for name in names))


if __name__ == "__main__":
    main()
