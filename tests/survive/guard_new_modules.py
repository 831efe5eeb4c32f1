# Functions of the library that take a name, a text or an object and could lead out of the modules that a program may see.
import argparse, ast, codecs, inspect, io, json, logging, timeit, traceback, types, warnings, weakref

name = "__glo" + "bals__"


def attempt(reach):
    try:
        return f"reached {type(reach()).__name__}"
    except (AttributeError, ImportError, NameError, TypeError) as error:
        return type(error).__name__


class Setter:
    def set(self, thing, name):
        object.__setattr__(thing, name, 1)


parser = argparse.ArgumentParser()
parser.add_argument("-x", dest=name, action="append")
json.dumps._fields = [name]
template = logging.Formatter("{x." + name + "}", style="{")
found = [
    attempt(lambda: parser.parse_args(["-x", "1"], json.dumps)),
    attempt(lambda: dict(ast.iter_fields(json.dumps))[name]) if dict(ast.iter_fields(json.dumps)) else "nothing",
    attempt(lambda: codecs.StreamReader.__getattr__(types.SimpleNamespace(stream=json.dumps), name)),
    attempt(lambda: dict(inspect.getmembers(json.dumps))[name]) if name in dict(inspect.getmembers(json.dumps)) else "nothing",
    attempt(lambda: template.format(logging.makeLogRecord({"x": json.dumps}))),
    attempt(lambda: timeit.timeit("import os", number=1)),
    attempt(lambda: timeit.timeit("open", number=1)),
    attempt(lambda: Setter().set(attempt, name)),
    attempt(lambda: inspect.currentframe()),
    attempt(lambda: inspect.stack()),
    attempt(lambda: inspect.getattr_static(attempt, name)),
    attempt(lambda: inspect.getmodule(json.dumps).codecs),
    attempt(lambda: list(traceback.walk_stack(None))),
    attempt(lambda: logging.currentframe()),
    attempt(lambda: warnings.catch_warnings()._module.linecache),
    attempt(lambda: getattr(codecs, "open")("x")),
    attempt(lambda: getattr(io, "open")("x")),
]
", ".join(found)
#> class: "escape"
#> outcome: ["completed", "failure"]
#> guarded_value: "AttributeError, nothing, AttributeError, nothing, AttributeError, ImportError, NameError, AttributeError, AttributeError, AttributeError, AttributeError, AttributeError, AttributeError, AttributeError, AttributeError, AttributeError, AttributeError"
