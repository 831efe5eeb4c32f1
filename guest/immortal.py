"""Makes the image's objects immortal: CPython no longer counts references to them.

CPython stores reference counts in the objects. A program that only reads an object would write to its page, and the
host must copy each page that is written to. The image's objects outlive every program, so they need no count.
"""

import gc
import types

import _executor

# Code objects do not report these references to the garbage collector.
PARTS_OF_CODE = (
    "co_consts", "co_names", "co_varnames", "co_freevars", "co_cellvars",
    "co_filename", "co_name", "co_qualname", "co_linetable", "co_exceptiontable",
)  # fmt: skip


def immortalize():
    """Makes every object immortal that is reachable from the objects tracked by the garbage collector."""
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
