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

# Not modules of their own, or in C: others put them into sys.modules.
ALIASES = {"collections.abc", "importlib._bootstrap", "_kdf"}

# Where the modules say that they are: their `__file__`, and what tracebacks and warnings call their files.
STDLIB_DIR = f"/python/lib/python{sys.version_info.major}.{sys.version_info.minor}"

# The module that such a call names, as a text or as one of CPython's own identifiers.
IMPORT_IN_C = re.compile(
    r'Py(?:Import_Import(?:Module(?:NoBlock|Level)?)?|Import_GetModuleAttr(?:String)?|Capsule_Import)'
    r'\s*\(\s*(?:"|&_Py_ID\()([\w.]+)'
)

HEADER = f"""\
/* Written by freeze.py. */
#include <Python.h>

const wchar_t executor_stdlib_dir[] = L"{STDLIB_DIR}";

static const unsigned char code[] = {{
#embed "frozen_stdlib.bin"
}};

const struct _frozen executor_stdlib[] = {{
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
        code = compile(path.read_bytes(), file_of(name, path), "exec", dont_inherit=True, optimize=0)
        data = marshal.dumps(code)
        rows.append(f'    {{"{name}", code + {len(blob)}, {len(data)}, {str(is_package(path)).lower()}}},\n')
        blob += data
    (out / "frozen_stdlib.bin").write_bytes(blob)
    (out / "frozen_stdlib.c").write_text(HEADER + "".join(rows) + FOOTER)
    print(f"{len(rows)} modules, {len(blob)} bytes", file=sys.stderr)
    builtin = set(re.findall(r'{"(\w+)"', Path(config).read_text()))
    lost = [*dangling(modules, builtin), *dangling_in_c(modules, builtin, Path(lib).parent, Path(config).parent.parent)]
    print("imports that lead nowhere:", *sorted(lost), sep="\n  ", file=sys.stderr)


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


def file_of(name, path):
    """The file that CPython would have read the module from."""
    return "/".join([STDLIB_DIR, *name.split("."), *["__init__"] * is_package(path)]) + ".py"


def is_package(path):
    return path.name == "__init__.py"


def dangling(modules, builtin):
    """'module: import' for what the modules import, anywhere in them, and will not find."""
    found = modules.keys() | builtin | ALIASES
    for name, path in modules.items():
        wanted = {target for node in ast.walk(ast.parse(path.read_bytes())) for target in imports(node, name, path)}
        yield from (f"{name}: {target}" for target in wanted - found if not FrozenImporter.find_spec(target))


def dangling_in_c(modules, builtin, sources, objects):
    """The same for what C code imports, of the sources that were compiled."""
    for path in sources.glob("*/**/*.c"):
        name = path.relative_to(sources)
        if not (objects / name.with_suffix(".o")).exists():
            continue
        wanted = {found[1] for found in IMPORT_IN_C.finditer(path.read_text())}
        lost = wanted - modules.keys() - builtin - ALIASES
        yield from (f"{name}: {target}" for target in lost if not FrozenImporter.find_spec(target))


def imports(node, name, path):
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        parts = name.split(".")
        parent = parts[: len(parts) + is_package(path) - node.level] if node.level else []
        return [".".join(parent + [node.module] * bool(node.module))]
    return []


main(*sys.argv[1:])
