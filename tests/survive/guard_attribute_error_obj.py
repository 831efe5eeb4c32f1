import random

try:
    random.nothing
except AttributeError as error:
    module = error.obj
_ = getattr(module, "_os", "out of reach") == "out of reach"
#> class: "escape"
#> outcome: ["completed"]
#> value: false
#> guarded_value: true
