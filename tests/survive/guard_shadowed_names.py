# RestrictedPython's guards were variables of the program, and a positional-only parameter could replace them.
def attempt(getattr, _getattr_, /, *, type=None, str=None, _write_=None):
    try:
        return "{0.__globals__}".format(attempt)[:7]
    except AttributeError as error:
        return f"{error}"


_ = attempt(lambda *_: "mine", lambda *_: "mine")
#> class: "escape"
#> outcome: ["completed"]
#> guarded_value: "Attribute '__globals__' is not allowed in sandbox"
