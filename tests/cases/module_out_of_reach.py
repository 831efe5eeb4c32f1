import json

json.codecs.lookup("utf-8")
#> outcome: "failure"
#> error: "AttributeError: module 'json' has no attribute 'codecs'"
#> line: 3
#> hint_contains: "Importable here: "
