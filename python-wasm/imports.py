"""Prints what a WebAssembly module imports, one `module.name` a line, sorted.

usage: imports.py MODULE.WASM
"""

import sys
from pathlib import Path

IMPORT_SECTION = 2
# The kind of an import: a function. The interpreter has no others.
FUNCTION = 0


class Reader:
    """Reads the binary format from a position on."""

    def __init__(self, data, position):
        self.data, self.position = data, position

    def number(self):
        """Reads an unsigned LEB128 integer."""
        value = shift = 0
        while True:
            byte = self.data[self.position]
            self.position += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def name(self):
        """Reads a text with its length before it."""
        length = self.number()
        self.position += length
        return self.data[self.position - length : self.position].decode()


def imports(data):
    """Returns the names of the imported functions. Raises `ValueError` for imports of another kind."""
    reader = Reader(data, 8)
    while reader.position < len(data):
        section, size = reader.number(), reader.number()
        if section != IMPORT_SECTION:
            reader.position += size
            continue
        names = []
        for _ in range(reader.number()):
            names.append(f"{reader.name()}.{reader.name()}")
            if reader.number() != FUNCTION:
                raise ValueError(f"{names[-1]} is not a function")
            reader.number()
        return sorted(names)
    return []


print(*imports(Path(sys.argv[1]).read_bytes()), sep="\n")
