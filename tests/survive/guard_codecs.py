names = [
    bytes.fromhex("5f5f676c6f62616c735f5f").decode(),
    b"__glob\\x61ls__".decode("unicode_escape"),
    "__tybonyf__".translate({ord(a): ord("abcdefghijklmnopqrstuvwxyz"[(i + 13) % 26]) for i, a in enumerate("abcdefghijklmnopqrstuvwxyz")}),
    f"{'__globals__'!s:s}",
    "__slabolg__"[::-1],
]
refused = 0
for name in names:
    try:
        getattr(lambda: 1, name)
    except AttributeError as error:
        refused += str(error) == "Attribute '__globals__' is not allowed in sandbox"
refused
#> class: "escape"
#> outcome: ["completed"]
#> value: 0
#> guarded_value: 5
