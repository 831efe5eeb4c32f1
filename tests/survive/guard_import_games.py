import json
import json.decoder


def attempt(reach):
    try:
        return type(reach()).__name__
    except ImportError:
        return "ImportError"


def renamed():
    from json import path

    return path


def deleted():
    from json import decoder

    return decoder.scanner.re.enum.bltns


def private():
    from collections import _sys

    return _sys


json.__name__ = "os"
del json.decoder
try:
    outcome = [attempt(renamed), attempt(private), attempt(deleted)]
except AttributeError as error:
    outcome = str(error)
outcome
#> class: "escape"
#> outcome: ["completed"]
#> value: ["module", "module", "ImportError"]
#> guarded_value: "module 'enum' has no attribute 'bltns'"
