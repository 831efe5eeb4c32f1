from enum import Enum, Flag, IntEnum, StrEnum


class Mode(Enum):
    HEAT = "heat"
    LIMITS = (18, 24)


class Level(IntEnum):
    LOW = 1


class Scale(StrEnum):
    CELSIUS = "C"


class Feature(Flag):
    DIM = 1
    COLOR = 2


[Mode.HEAT, Mode.LIMITS, Level.LOW, Scale.CELSIUS, Feature.DIM | Feature.COLOR]
#> value: ["heat", [18, 24], 1, "C", 3]
#> repr: false
