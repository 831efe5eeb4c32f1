import json

json.decoder.scanner.re.copyreg
#> outcome: "failure"
#> error: "AttributeError: module 're' has no attribute 'copyreg'"
#> line: 3
#> hint_contains: "Importable here: "
