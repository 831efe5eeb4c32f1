import types

make = getattr(types, "Code" + "Type")
code = make(0, 0, 0, 0, 1, 3, bytes(range(100)), (), ("__globals__",), (), "x", "x", "x", 1, b"", b"", (), ())
try:
    types.FunctionType(code, {})()
except BaseException:
    pass
"survived"
#> class: "escape"
#> outcome: ["completed", "failure", "cpu_limit", "memory_limit"]
#> guarded_error: "AttributeError: module 'types' has no attribute 'CodeType'"
