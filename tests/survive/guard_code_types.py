import types

code = getattr(lambda: 1, "__code__")
forged = code.replace(co_names=("__globals__",), co_consts=(None,))
try:
    types.FunctionType(forged, {})()
except BaseException:
    pass
types.CodeType is type(code)
#> class: "escape"
#> outcome: ["completed", "failure"]
#> guarded_error: "AttributeError: Attribute '__code__' is not allowed in sandbox"
