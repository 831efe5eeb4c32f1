import json

try:
    json.nothing
except AttributeError as error:
    module = error.obj
_ = getattr(module, "codecs", "out of reach") == "out of reach"
#> class: "escape"
#> outcome: ["completed"]
#> value: false
#> guarded_value: true
