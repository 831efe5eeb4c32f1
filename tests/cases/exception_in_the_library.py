import json


def load(text):
    return json.loads(text)


load('{"lamp": on}')
#> outcome: "failure"
#> error: "JSONDecodeError: Expecting value: line 1 column 10 (char 9)"
#> line: 5
