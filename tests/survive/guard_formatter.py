import string


class Careless(string.Formatter):
    def parse(self, template):
        return [("", "0." + template, "", None)] if template else []


class Direct(string.Formatter):
    def get_field(self, name, args, kwargs):
        return super().get_field("0.__globals__", args, kwargs)


def attempt(reach):
    try:
        return "reached " + reach()[:1]
    except AttributeError as error:
        return str(error)


_ = [
    attempt(lambda: string.Formatter().format("{0.__globals__}", attempt)),
    attempt(lambda: string.Formatter().vformat("{0.__globals__}", [attempt], {})),
    attempt(lambda: Careless().format("__globals__", attempt)),
    attempt(lambda: Direct().format("{}", attempt)),
]
#> class: "escape"
#> outcome: ["completed"]
#> guarded_value: ["Attribute '__globals__' is not allowed in sandbox", "Attribute '__globals__' is not allowed in sandbox", "Attribute '__globals__' is not allowed in sandbox", "Attribute '__globals__' is not allowed in sandbox"]
