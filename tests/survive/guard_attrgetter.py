from operator import attrgetter, methodcaller


def attempt(reach):
    try:
        return f"reached {type(reach()).__name__}"
    except (AttributeError, TypeError) as error:
        return f"{type(error).__name__}: {error}"


_ = [
    attempt(lambda: attrgetter("__globals__")(attempt)),
    attempt(lambda: attrgetter("__name__", "__call__.__globals__")(attempt)),
    attempt(lambda: methodcaller("__subclasses__")(object)),
    attempt(lambda: methodcaller("format", attempt)("{0.__globals__}")),
    attempt(lambda: attrgetter("format.__call__")("{0.__globals__}")(attempt)),
    attempt(lambda: type(attrgetter("real"))("__globals__")(attempt))[:10],
    attempt(lambda: attrgetter("real")(1)),
]
#> class: "escape"
#> outcome: ["completed"]
#> guarded_value: ["AttributeError: Attribute '__globals__' is not allowed in sandbox", "AttributeError: Attribute '__globals__' is not allowed in sandbox", "AttributeError: Attribute '__subclasses__' is not allowed in sandbox", "AttributeError: Attribute '__globals__' is not allowed in sandbox", "AttributeError: Attribute '__globals__' is not allowed in sandbox", "TypeError:", "reached int"]
