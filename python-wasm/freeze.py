"""Freezes the standard library and numpy: compiles modules to bytecode and writes them as a C table.

usage: freeze.py STDLIB.TXT LIB NUMPY.TXT NUMPY CONFIG.C GENERATED.PY... OUT

The lists name the modules; LIB is CPython's Lib directory, NUMPY that of numpy's sources, CONFIG.C CPython's list of C
modules, and each GENERATED.PY an additional module. The script must run under the CPython version that is being built, because bytecode is specific to a version. It writes
OUT/frozen_stdlib.bin and OUT/frozen_stdlib.c. On stderr, it lists the imports that cannot be resolved, so that a person
can tell optional modules from forgotten ones.
"""

import ast
import fnmatch
import marshal
import re
import sys
from importlib.machinery import FrozenImporter
from pathlib import Path

# Modules without a source file: other modules, or C code, put them into sys.modules.
ALIASES = {"collections.abc", "importlib._bootstrap", "_kdf", "_files"}

# The directory in the modules' `__file__`, and in the file names of tracebacks and warnings.
STDLIB_DIR = f"/python/lib/python{sys.version_info.major}.{sys.version_info.minor}"

# Matches a call in C that imports a module, and captures the module's name: a string or one of CPython's identifiers.
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


def main(stdlib_list, lib, numpy_list, numpy, config, *generated_and_out):
    *generated, out = map(Path, generated_and_out)
    modules = read_list(Path(stdlib_list), Path(lib)) | read_list(Path(numpy_list), Path(numpy))
    modules |= {path.stem: path for path in generated}
    blob, rows = bytearray(), []
    for name, path in sorted(modules.items()):
        code = compile(path.read_bytes(), file_of(name, path), "exec", dont_inherit=True, optimize=optimization(name))
        data = marshal.dumps(code)
        rows.append(f'    {{"{name}", code + {len(blob)}, {len(data)}, {str(is_package(path)).lower()}}},\n')
        blob += data
    (out / "frozen_stdlib.bin").write_bytes(blob)
    (out / "frozen_stdlib.c").write_text(HEADER + "".join(rows) + FOOTER)
    print(f"{len(rows)} modules, {len(blob)} bytes", file=sys.stderr)
    builtin = set(re.findall(r'{"(\w+)"', Path(config).read_text()))
    lost = [*dangling(modules, builtin), *dangling_in_c(modules, builtin, Path(lib).parent, Path(config).parent.parent)]
    print("imports that lead nowhere:", *sorted(lost), sep="\n  ", file=sys.stderr)


def optimization(name):
    """Returns 2 for numpy, whose docstrings are half of its bytecode, except for what uses `assert`."""
    return 2 if name.startswith("numpy.") and not name.startswith("numpy.testing") else 0


def read_list(path, lib):
    """Returns the modules of a list as {module name: path of its source}."""
    modules = {}
    for line in path.read_text().splitlines():
        pattern = line.partition("#")[0].strip()
        if pattern.startswith("-"):
            left_out = fnmatch.filter(modules, pattern.removeprefix("-"))
            if not left_out:
                raise ValueError(f"no module for {pattern}")
            for name in left_out:
                del modules[name]
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
    """Returns the path of the file from which CPython would read the module."""
    return "/".join([STDLIB_DIR, *name.split("."), *["__init__"] * is_package(path)]) + ".py"


def is_package(path):
    return path.name == "__init__.py"


def dangling(modules, builtin):
    """Yields 'module: import' for each import, anywhere in the modules, that cannot be resolved."""
    found = modules.keys() | builtin | ALIASES
    for name, path in modules.items():
        wanted = {target for node in ast.walk(ast.parse(path.read_bytes())) for target in imports(node, name, path)}
        yield from (f"{name}: {target}" for target in wanted - found if not FrozenImporter.find_spec(target))


def dangling_in_c(modules, builtin, sources, objects):
    """Yields the same for the imports of C code, in the sources that were compiled."""
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
