found = []
for thing, name in ((print, "__self__"), ([].append, "__self__"), (len, "__module__"), (classmethod(len), "__func__"), (property(len), "fget"), (type, "__prepare__"), (object, "__reduce_ex__"), (super, "__thisclass__"), (staticmethod(len), "__wrapped__"), ((lambda: 1), "__builtins__"), ((lambda: 1), "__closure__")):
    try:
        found.append(type(getattr(thing, name)).__name__)
    except AttributeError as error:
        found.append("refused" if "not allowed" in str(error) else "none")
found
#> class: "escape"
#> outcome: ["completed"]
#> guarded_value: ["refused", "refused", "str", "refused", "builtin_function_or_method", "builtin_function_or_method", "refused", "member_descriptor", "builtin_function_or_method", "refused", "refused"]
