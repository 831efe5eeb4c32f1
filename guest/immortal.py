"""The image's objects are never counted.

CPython counts references inside of the objects, so a program that only looks at an object writes to its page, and the
host has to copy each page that a program writes to. Objects that are there before a program starts need no count: they
outlive it.
"""

import gc
import types

import _executor

# What refers to other objects, and does not tell the garbage collector.
PARTS_OF_CODE = (
    "co_consts", "co_names", "co_varnames", "co_freevars", "co_cellvars",
    "co_filename", "co_name", "co_qualname", "co_linetable", "co_exceptiontable",
)  # fmt: skip


def immortalize():
    """Makes every object that can be reached from the collector's objects immortal."""
    gc.collect()
    found = gc.get_objects()
    seen = {id(found)}
    while found:
        thing = found.pop()
        if id(thing) not in seen:
            seen.add(id(thing))
            found += gc.get_referents(thing)
            if type(thing) is types.CodeType:
                found += [getattr(thing, part) for part in PARTS_OF_CODE]
            _executor.immortalize(thing)
