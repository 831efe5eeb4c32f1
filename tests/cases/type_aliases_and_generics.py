type Rooms[T] = dict[str, list[T]]
type Tree = int | list[Tree]


class Stack[T]:
    def __init__(self) -> None:
        self.items: list[T] = []

    def push(self, item: T) -> "Stack[T]":
        self.items.append(item)
        return self


def largest[T: (int, float)](values: list[T], default: T) -> T:
    return max(values, default=default)


rooms: Rooms[float] = {"hall": [21.5]}
[rooms, Stack[int]().push(1).push(2).items, largest([], 7), str(Rooms), largest.__type_params__[0].__name__]
#> value: [{"hall": [21.5]}, [1, 2], 7, "Rooms", "T"]
#> host: "needs Python 3.12"
