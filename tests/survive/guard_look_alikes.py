import unicodedata


def attempt(name):
    try:
        return type(getattr(attempt, name)).__name__
    except AttributeError as error:
        return str(error)


alike = "__ｇlobals__"
[attempt(alike), attempt(unicodedata.normalize("NFKC", alike)), "{0.ａ}".ｆormat(type("A", (), {"ａ": 1})), attempt("__globals__\0")]
#> class: "escape"
#> outcome: ["completed", "failure"]
#> guarded_value: ["'function' object has no attribute '__ｇlobals__'", "Attribute '__globals__' is not allowed in sandbox", "1", "'function' object has no attribute '__globals__\u0000'"]
