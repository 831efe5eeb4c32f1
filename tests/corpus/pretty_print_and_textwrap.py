import pprint
import textwrap
from string import Template

data = {"name": "example", "values": list(range(12)), "nested": {"a": {"b": {"c": [1, 2, {"d": None}]}}}}
pprint.pprint(data, width=50, compact=True)
print(textwrap.fill("The quick brown fox jumps over the lazy dog. " * 2, width=30, initial_indent="* ", subsequent_indent="  "))
print(Template("$who owes ${amount} EUR").substitute(who="Ann", amount=5), textwrap.dedent("  a\n    b"))
print(textwrap.shorten("a long sentence with many words", width=20, placeholder="…"))
#> stdout: "{'name': 'example',\n 'nested': {'a': {'b': {'c': [1, 2,\n                              {'d': None}]}}},\n 'values': [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]}\n* The quick brown fox jumps\n  over the lazy dog. The quick\n  brown fox jumps over the\n  lazy dog.\nAnn owes 5 EUR a\n  b\na long sentence…\n"
