import json

try:
    json.nothing
except AttributeError as error:
    module = error.obj
_ = getattr(module, "codecs", "out of reach") == "out of reach"
#> outcome: ["completed"]
#> value: false
#> guarded_value: true
