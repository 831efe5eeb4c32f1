# The library copies an attribute by name. The guards leave it out; without guards, the wall must hold.
import functools
import json
import types

found = functools.update_wrapper(types.SimpleNamespace(), json.dumps, assigned=["__globals__"], updated=[])
len(repr(found)) > 1000
#> class: "escape"
#> outcome: ["completed"]
#> guarded_value: false
