#!/usr/bin/env python3
"""Convert temperatures."""
import sys


def c_to_f(c):
    return c * 9 / 5 + 32


def main() -> int:
    args = sys.argv[1:] or ["0", "36.6", "cold"]
    for arg in args:
        try:
            print(f"{arg}C = {c_to_f(float(arg)):.1f}F")
        except ValueError:
            print(f"invalid: {arg}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
#> stdout: "0C = 32.0F\n36.6C = 97.9F\n"
