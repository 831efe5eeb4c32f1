from __future__ import annotations

from dataclasses import KW_ONLY, InitVar, dataclass
from typing import ClassVar


@dataclass(slots=True)
class Node:
    name: str
    _: KW_ONLY
    parent: Node | None = None
    depth: int = 0
    made: ClassVar[int] = 0
    offset: InitVar[int] = 0

    def __post_init__(self, offset: int) -> None:
        self.depth = offset + (self.parent.depth + 1 if self.parent else 0)


leaf = Node("lamp", parent=Node("hall", parent=Node("house")), offset=10)
try:
    leaf.colour = "red"
except AttributeError:
    print("no such slot")
leaf
#> value: {"name": "lamp", "parent": {"name": "hall", "parent": {"name": "house", "parent": null, "depth": 0}, "depth": 1}, "depth": 12}
#> stdout: "no such slot\n"
