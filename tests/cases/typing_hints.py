from typing import Annotated, Literal, Optional, Protocol, TypedDict, get_args, get_type_hints, runtime_checkable


class Device(TypedDict, total=False):
    name: str
    level: "int | None"


@runtime_checkable
class Readable(Protocol):
    def read(self) -> float: ...


class Sensor:
    def read(self) -> float:
        return 1.0


def switch(name: str, mode: Literal["on", "off"] = "on", level: Optional[int] = None) -> "Device": ...


def scaled(value: Annotated[float, "percent"]): ...


hints = get_type_hints(switch)
[sorted(hints), hints["return"].__name__, get_args(hints["mode"]), str(get_type_hints(Device)["level"]), isinstance(Sensor(), Readable), isinstance(1, Readable), get_type_hints(scaled, include_extras=True)["value"].__metadata__]
#> value: [["level", "mode", "name", "return"], "Device", ["on", "off"], "int | None", true, false, ["percent"]]
