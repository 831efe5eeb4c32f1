from __future__ import annotations

import dataclasses
import dataclasses as dc
import typing
import typing as t


@dataclasses.dataclass
class Lamp:
    name: str
    made: typing.ClassVar[int] = 0
    other: t.ClassVar = 1
    offset: dataclasses.InitVar[int] = 5
    more: dc.InitVar = 6
    _: dataclasses.KW_ONLY
    level: int = 0

    def __post_init__(self, offset, more):
        self.level += offset + more


hints = typing.get_type_hints(Lamp)
[[field.name for field in dataclasses.fields(Lamp)], Lamp("hall", 1, 2, level=3), hints["level"] is int]
#> value: [["name", "level"], {"name": "hall", "level": 6}, true]
