# What no guard sees: the library copies an attribute by its name. The wall must hold.
import functools
import json
import types

found = functools.update_wrapper(types.SimpleNamespace(), json.dumps, assigned=["__globals__"], updated=[])
len(repr(found)) > 1000
#> class: "escape"
#> outcome: ["completed"]
