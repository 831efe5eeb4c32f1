import _imp
import importlib.machinery

caught = 0
spec = importlib.machinery.ModuleSpec("native", None, origin="/tmp/native.so")
for attempt in (
    lambda: _imp.create_dynamic(spec),
    lambda: importlib.machinery.ExtensionFileLoader("native", "/tmp/native.so").create_module(spec),
    lambda: _imp.get_frozen_object("native", b"\xe3" + bytes(100)),
):
    try:
        attempt()
    except (AttributeError, ImportError, ValueError, EOFError, TypeError):
        caught += 1
caught
#> class: "escape"
#> outcome: ["completed"]
#> value: 3
