from __future__ import annotations

from dataclasses import KW_ONLY, InitVar, dataclass, field
from typing import ClassVar, Generic, Protocol, TypeVar, get_type_hints, runtime_checkable

T = TypeVar("T")


@runtime_checkable
class Priced(Protocol):
    price: float


@dataclass
class Item:
    name: str
    price: float = 0.0
    _: KW_ONLY
    tags: list[str] = field(default_factory=list)
    count: ClassVar[int] = 0
    scale: InitVar[float] = 1.0

    def __post_init__(self, scale):
        self.price *= scale
        type(self).count += 1


class Basket(Generic[T]):
    def __init__(self) -> None:
        self.items: list[T] = []

    def add(self, item: T) -> Basket[T]:
        self.items.append(item)
        return self


basket = Basket[Item]().add(Item("pen", 2, tags=["blue"])).add(Item("ink", 5, scale=0.5))
print([i.price for i in basket.items], Item.count, isinstance(basket.items[0], Priced))
print(sorted(get_type_hints(Item)), basket.items[0])
#> stdout: "[2.0, 2.5] 2 True\n['_', 'count', 'name', 'price', 'scale', 'tags'] Item(name='pen', price=2.0, tags=['blue'])\n"
