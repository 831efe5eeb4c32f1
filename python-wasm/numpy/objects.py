"""Prints the object files of numpy's extension modules, which Meson would link into shared libraries.

usage: objects.py BUILD.NINJA MODULES.C

MODULES.C names the wanted modules in lines of the form MODULE("numpy.linalg._umath_linalg", …).
"""

import re
import sys
from pathlib import Path


def main(build_ninja, module_list):
    """Prints the paths, one a line, relative to BUILD.NINJA."""
    text = Path(build_ninja).read_text().replace("$\n", "")
    inputs = dict(re.findall(r"^build (\S+): \w*(?:LINKER|COMPILER)\w* (.*)$", text, re.MULTILINE))
    objects = {}  # a dict keeps the order
    for module in re.findall(r'^ *MODULE\("(numpy\.[\w.]+)"', Path(module_list).read_text(), re.MULTILINE):
        library = module.replace(".", "/") + ".cpython-"
        (found,) = (output for output in inputs if output.startswith(library) and output.endswith(".so"))
        collect(found, inputs, objects)
    print(*objects, sep="\n")


def collect(output, inputs, objects):
    """Adds the objects of a library, and of the archives that are linked with it, to `objects`."""
    for path in re.split(r" \|\|? ", inputs[output])[0].split():
        if path.endswith(".o"):
            objects[path] = True
    for path in inputs[output].split():
        if path.endswith(".a") and path in inputs:
            collect(path, inputs, objects)


main(*sys.argv[1:])
