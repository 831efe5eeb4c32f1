import functools


class Liar(str):
    def __hash__(self):
        return hash("__name__")

    def __eq__(self, other):
        return other == "__name__"

    def __str__(self):
        return "__name__"


def attempt(reach):
    try:
        return f"reached {type(reach())}"
    except AttributeError as error:
        return str(error)


name = "".join(["__glo", "bals", "__"])
_ = [
    attempt(reach)
    for reach in (
        lambda: getattr(attempt, name),
        lambda: getattr(attempt, name, None),
        lambda: getattr(attempt, Liar(name)),
        lambda: list(map(getattr, [attempt], [name])),
        lambda: functools.partial(getattr, attempt)(name),
        lambda: functools.reduce(getattr, [attempt, name]),
        lambda: hasattr(attempt, name),
        lambda: setattr(Liar, name, 1),
        lambda: delattr(Liar, name),
    )
]
#> class: "escape"
#> outcome: ["completed"]
#> guarded_value: ["Attribute '__globals__' is not allowed in sandbox", "Attribute '__globals__' is not allowed in sandbox", "Attribute '__globals__' is not allowed in sandbox", "Attribute '__globals__' is not allowed in sandbox", "Attribute '__globals__' is not allowed in sandbox", "Attribute '__globals__' is not allowed in sandbox", "Attribute '__globals__' is not allowed in sandbox", "Attribute '__globals__' is not allowed in sandbox", "Attribute '__globals__' is not allowed in sandbox"]
