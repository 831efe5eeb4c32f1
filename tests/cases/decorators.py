import functools

calls = []


def logged(prefix):
    def decorate(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            calls.append(f"{prefix}{function.__name__}{args}{kwargs}")
            return function(*args, **kwargs)

        return wrapper

    return decorate


@logged("> ")
@logged("- ")
def set_level(lamp, *, level=100):
    """Sets a lamp's level."""
    return f"{lamp}={level}"


[set_level("hall", level=20), set_level.__name__, set_level.__doc__, calls]
#> value: ["hall=20", "set_level", "Sets a lamp's level.", ["> set_level('hall',){'level': 20}", "- set_level('hall',){'level': 20}"]]
