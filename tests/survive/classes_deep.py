kind = base = type("Base", (), {})
for level in range(400):
    kind = type("Level", (kind,), {})
base.answer = 42
base.__len__ = lambda self: 7
_ = [kind().answer, len(kind()), isinstance(kind(), base)]
#> class: "host denial of service"
#> outcome: ["completed", "failure"]
