# CPython itself looks the names up. The guards watch it; where there are none, the wall must hold.
import json


class Anything(type):
    def __instancecheck__(cls, thing):
        return True


class Open(metaclass=Anything):
    __match_args__ = ("__globals__",)


match json.dumps:
    case Open(found):
        machine = found["codecs"]
        sorted(found)
#> class: "escape"
#> outcome: ["completed"]
#> guarded_error: "AttributeError: Attribute '__globals__' is not allowed in sandbox"
