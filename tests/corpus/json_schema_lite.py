import json
import re


class ValidationError(ValueError):
    def __init__(self, path, why):
        super().__init__(f"{'/'.join(path) or '<root>'}: {why}")


TYPES = {"string": str, "number": (int, float), "object": dict, "array": list}


def check(schema, value, path=()):
    kind = schema.get("type")
    if kind and not isinstance(value, TYPES[kind]):
        raise ValidationError(path, f"expected {kind}, got {type(value).__name__}")
    if "pattern" in schema and not re.search(schema["pattern"], value):
        raise ValidationError(path, f"does not match {schema['pattern']}")
    for name, sub in schema.get("properties", {}).items():
        if name in value:
            check(sub, value[name], (*path, name))
        elif name in schema.get("required", ()):
            raise ValidationError(path, f"missing {name}")
    for index, item in enumerate(value if kind == "array" else ()):
        check(schema.get("items", {}), item, (*path, str(index)))


schema = json.loads('''{"type": "object", "required": ["id"], "properties": {
  "id": {"type": "string", "pattern": "^[a-z]+$"}, "xs": {"type": "array", "items": {"type": "number"}}}}''')
for text in ('{"id": "ok", "xs": [1, 2.5]}', '{"xs": []}', '{"id": "NO"}', '{"id": "a", "xs": [1, "b"]}'):
    try:
        check(schema, json.loads(text))
        print("valid")
    except ValidationError as error:
        print(error)
#> stdout: "valid\n<root>: missing id\nid: does not match ^[a-z]+$\nxs/1: expected number, got str\n"
