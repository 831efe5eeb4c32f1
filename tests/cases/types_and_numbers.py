import keyword
import numbers
import types

settings = types.SimpleNamespace(level=5)
frozen = types.MappingProxyType({"a": 1})
try:
    frozen["a"] = 2
except TypeError:
    print("read only")
[settings.level, frozen, isinstance(1.5, numbers.Real), keyword.iskeyword("match"), keyword.issoftkeyword("match"), repr(settings), types.new_class("Lamp").__name__]
#> value: [5, {"a": 1}, true, false, true, "namespace(level=5)", "Lamp"]
#> stdout: "read only\n"
