# CPython itself looks up the names. The guards check them; without guards, the wall must hold.
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
