from dataclasses import dataclass, field, replace, astuple


@dataclass(frozen=True, order=True)
class Version:
    major: int
    minor: int = 0
    patch: int = 0
    label: str = field(default="", compare=False)

    def __post_init__(self):
        object.__setattr__(self, "label", self.label.strip().lower())

    @classmethod
    def parse(cls, text):
        core, _, label = text.partition("-")
        return cls(*map(int, core.split(".")), label=label)

    def __str__(self):
        return ".".join(map(str, astuple(self)[:3]))


versions = sorted(map(Version.parse, ["1.10.0-RC1 ", "1.2.3", "0.9.12"]))
print([str(v) for v in versions], versions[-1].label)
try:
    versions[0].major = 5
except AttributeError as e:
    print(type(e).__name__, e)
print(replace(versions[0], minor=10), hash(versions[1]) == hash(Version(1, 2, 3)))
#> stdout: "['0.9.12', '1.2.3', '1.10.0'] rc1\nFrozenInstanceError cannot assign to field 'major'\n0.10.12 True\n"
