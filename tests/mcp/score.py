"""Counts how many scenarios of the conformance suite pass.

usage: score.py REQUIREMENTS ROLE OUTPUT

`REQUIREMENTS` is the suite's list of what a revision requires, `ROLE` is `server` or `client`, `OUTPUT` is what the suite
has printed.
"""

import re
import sys
from pathlib import Path


def scored(requirements: str, role: str) -> set[str]:
    """Returns the scenarios that a revision requires of a role: a list of YAML under the role's name."""
    section = re.search(rf"^{role}:\n((?:  - .*\n)+)", requirements, re.MULTILINE)
    assert section, role
    return {line.removeprefix("  - ") for line in section[1].splitlines()}


def main(requirements: Path, role: str, output: Path) -> None:
    required = scored(requirements.read_text(), role)
    results = re.findall(r"^([✓✗]) (\S+): \d+ passed", output.read_text(errors="replace"), re.MULTILINE)
    passed = {name for mark, name in results if mark == "✓"}
    others = {name for _, name in results} - required
    assert required <= {name for _, name in results}, required
    print(
        f"conformance suite, {requirements.stem}, {role}: {len(required & passed)} of {len(required)} scenarios pass, "
        f"and {len(others & passed)} of {len(others)} that are not required"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
