import copy
import json


class Reduced:
    def __deepcopy__(self, memo):
        return getattr(json.dumps, "__glo" + "bals__")

    __copy__ = None


found = []
for act in (copy.deepcopy, copy.copy):
    try:
        found.append(type(act(Reduced())).__name__)
    except (AttributeError, TypeError) as error:
        found.append(type(error).__name__)
found
#> class: "escape"
#> outcome: ["completed"]
#> value: ["dict", "Reduced"]
#> guarded_value: ["AttributeError", "Reduced"]
