"""Freezes the standard library: compiles the modules of stdlib.txt to bytecode and writes them as one C table.

usage: freeze.py STDLIB.TXT LIB CONFIG.C GENERATED.PY... OUT

LIB is CPython's Lib directory, CONFIG.C its list of C modules, each GENERATED.PY one more module. Runs under the
CPython version that is being built, because bytecode belongs to one version. Writes OUT/frozen_stdlib.bin and
OUT/frozen_stdlib.c; names on stderr the imports that lead nowhere, for a reader to tell optional from forgotten.
"""

import ast
import marshal
import re
import sys
from importlib.machinery import FrozenImporter
from pathlib import Path

# Not modules of their own: others put them into sys.modules.
ALIASES = {"collections.abc", "importlib._bootstrap"}

HEADER = """\
/* Written by freeze.py. */
#include <Python.h>

static const unsigned char code[] = {
#embed "frozen_stdlib.bin"
};

const struct _frozen executor_stdlib[] = {
"""
FOOTER = """\
    {NULL, NULL, 0, false},
};
"""


def main(stdlib_list, lib, config, *generated_and_out):
    *generated, out = map(Path, generated_and_out)
    modules = read_list(Path(stdlib_list), Path(lib))
    modules |= {path.stem: path for path in generated}
    blob, rows = bytearray(), []
    for name, path in sorted(modules.items()):
        code = compile(path.read_bytes(), f"<frozen {name}>", "exec", dont_inherit=True, optimize=0)
        data = marshal.dumps(code)
        rows.append(f'    {{"{name}", code + {len(blob)}, {len(data)}, {str(is_package(path)).lower()}}},\n')
        blob += data
    (out / "frozen_stdlib.bin").write_bytes(blob)
    (out / "frozen_stdlib.c").write_text(HEADER + "".join(rows) + FOOTER)
    print(f"{len(rows)} modules, {len(blob)} bytes", file=sys.stderr)
    builtin = set(re.findall(r'{"(\w+)"', Path(config).read_text()))
    print("imports that lead nowhere:", *sorted(dangling(modules, builtin)), sep="\n  ", file=sys.stderr)


def read_list(path, lib):
    """The lines of stdlib.txt as {module name: path of its source}."""
    modules = {}
    for line in path.read_text().splitlines():
        pattern = line.partition("#")[0].strip()
        if pattern.startswith("-"):
            del modules[pattern.removeprefix("-")]
        elif pattern.endswith(".*"):
            modules |= package(lib, pattern.removesuffix(".*"))
        elif pattern:
            modules[pattern] = source(lib, pattern)
    return modules


def source(lib, name):
    path = lib.joinpath(*name.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def package(lib, name):
    paths = lib.joinpath(*name.split(".")).rglob("*.py")
    return {".".join(path.relative_to(lib).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


def is_package(path):
    return path.name == "__init__.py"


def dangling(modules, builtin):
    """'module: import' for what the modules import, anywhere in them, and will not find."""
    found = modules.keys() | builtin | ALIASES
    for name, path in modules.items():
        wanted = {target for node in ast.walk(ast.parse(path.read_bytes())) for target in imports(node, name, path)}
        yield from (f"{name}: {target}" for target in wanted - found if not FrozenImporter.find_spec(target))


def imports(node, name, path):
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        parts = name.split(".")
        parent = parts[: len(parts) + is_package(path) - node.level] if node.level else []
        return [".".join(parent + [node.module] * bool(node.module))]
    return []


main(*sys.argv[1:])
