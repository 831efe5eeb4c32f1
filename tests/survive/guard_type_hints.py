# The library evaluates annotations. The guards refuse the names in them; without guards, the wall must hold.
import typing


class Hinted:
    field: "__import__('os').abort"


print("before", end="")
typing.get_type_hints(Hinted, {}, {})["field"]()
#> class: "escape"
#> outcome: ["failure"]
#> guarded_error: "AttributeError: Attribute '__import__' is not allowed in sandbox"
#> stdout_starts: "before"
