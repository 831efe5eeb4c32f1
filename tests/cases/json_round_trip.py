import json
from datetime import date

text = '{"rooms": [{"t": 21.50, "on": true, "x": null}], "big": 12345678901234567890, "s": "\\u00e9\\n"}'
parsed = json.loads(text)
again = json.dumps(parsed, sort_keys=True, separators=(",", ":"))
try:
    json.loads("[1 2]")
except json.JSONDecodeError as error:
    where = error.pos
[parsed, again, json.dumps({"d": date(2025, 3, 9)}, default=str), json.loads("1.10", parse_float=str), where, json.dumps("é", ensure_ascii=False), json.dumps([1], indent=1)]
#> value: [{"rooms": [{"t": 21.5, "on": true, "x": null}], "big": 12345678901234567890, "s": "é\n"}, "{\"big\":12345678901234567890,\"rooms\":[{\"on\":true,\"t\":21.5,\"x\":null}],\"s\":\"\\u00e9\\n\"}", "{\"d\": \"2025-03-09\"}", "1.10", 3, "\"é\"", "[\n 1\n]"]
