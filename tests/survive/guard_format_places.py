# Every place where a program may read the attribute.
reached = []


def attempt(reach):
    try:
        reached.append(reach())
    except AttributeError:
        pass


def decorated():
    @template.format
    def inner():
        pass

    return inner


def matched():
    match 1:
        case 1 if (text := template.format(1)):
            return text


def unmatched():
    class Formats:
        format = 5

    match 5:
        case Formats.format:
            return "{x.__class__}".format_map({"x": 1})


def inherited():
    class Inner(type(template.format(1)), metaclass=print):
        pass


def yielded():
    return [*(template.format(each) for each in [1] if "x".format())]


template = "{0.__class__}"
for reach in (
    decorated, matched, unmatched, inherited, yielded,
    lambda: template . format(1),
    lambda: template.ｆormat(1),
    lambda: (template
        # here
        .format(1)),
    lambda: template. \
        format(1),
    lambda: f"""{1}
        {template.format(1)}""",
    lambda: f"""{"":{
        template.format(1) and ""}}""",
    lambda: f"{f'{template.format(1)}'}",
    lambda given=[lambda: template.format(1)]: given[0](),
    lambda: {**{"x": template.format(1)}}["x"],
    lambda: (lambda *, format=template.format: format)()(1),
    lambda: [format := template.format] and format(1),
):
    attempt(reach)
len(reached)
#> class: "escape"
#> outcome: ["completed"]
#> guarded_value: 0
