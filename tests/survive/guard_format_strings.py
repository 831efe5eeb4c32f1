import collections
import functools


class Text(str):
    def shown(self, *args):
        return super().format(*args)

    def __str__(self):
        return "{}"


def attempt(reach):
    try:
        return "reached " + reach()[:6]
    except (AttributeError, ValueError) as error:
        return str(error)


template = "".join(["{0.", "__class__}"])
_ = [
    attempt(reach)
    for reach in (
        lambda: "{0.__class__}".format(1),
        lambda: template.format(1),
        lambda: str.format(template, 1),
        lambda: "{x.__class__}".format_map({"x": 1}),
        lambda: str.format_map("{x.real.__class__}", {"x": 1}),
        lambda: "{0:{1.__class__}}".format(1, 2),
        lambda: getattr(template, "for" + "mat")(1),
        lambda: functools.partial(str.format, template)(1),
        lambda: list(map(str.format, [template], [1]))[0],
        lambda: Text(template).shown(1),
        lambda: Text(template).format(1),
        lambda: f"{template.format(1)!s:>{len('x'.format(1))}}",
        lambda: collections.UserString(template).format(1),
        lambda: collections.UserString("{x.__class__}").format_map({"x": 1}),
    )
] + [attempt(lambda: "{0[__class__]}".format({"__class__": "value"})), "{0.real:.2f} {0!r:>{1}} {x[os.path]}".format(1, 4, x={"os.path": ".__class__"})]
#> class: "escape"
#> outcome: ["completed"]
#> guarded_value: ["Attribute '__class__' is not allowed in sandbox", "Attribute '__class__' is not allowed in sandbox", "Attribute '__class__' is not allowed in sandbox", "Attribute '__class__' is not allowed in sandbox", "Attribute '__class__' is not allowed in sandbox", "Attribute '__class__' is not allowed in sandbox", "Attribute '__class__' is not allowed in sandbox", "Attribute '__class__' is not allowed in sandbox", "Attribute '__class__' is not allowed in sandbox", "Attribute '__class__' is not allowed in sandbox", "Attribute '__class__' is not allowed in sandbox", "Attribute '__class__' is not allowed in sandbox", "Attribute '__class__' is not allowed in sandbox", "Attribute '__class__' is not allowed in sandbox", "Attribute '__class__' is not allowed in sandbox", "1.00    1 .__class__"]
