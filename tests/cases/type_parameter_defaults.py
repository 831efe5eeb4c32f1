from typing import ReadOnly, TypedDict, TypeIs


class Box[T = str]:
    def __init__(self, content: T) -> None:
        self.content = content


class Device(TypedDict):
    name: ReadOnly[str]
    watts: float


def is_name(value: object) -> TypeIs[str]:
    return isinstance(value, str)


device: Device = {"name": "lamp", "watts": 5.0}
[Box("lamp").content, Box.__type_params__[0].__default__ is str, device, is_name(device["name"])]
#> value: ["lamp", true, {"name": "lamp", "watts": 5.0}, true]
#> host: "needs Python 3.13"
