import contextlib

found = []


@contextlib.contextmanager
def caught():
    try:
        yield
    except ValueError as error:
        for name in ("tb_frame", "tb_next", "tb_lasti"):
            try:
                found.append(type(getattr(error.__traceback__, name)).__name__)
            except AttributeError as refused:
                found.append(str(refused))


with caught():
    raise ValueError
found[0]
#> class: "escape"
#> outcome: ["completed"]
#> value: "frame"
#> guarded_value: "Attribute 'tb_frame' is not allowed in sandbox"
