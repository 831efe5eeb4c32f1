from enum import Enum, Flag, IntEnum, auto, unique


@unique
class Mode(Enum):
    OFF = auto()
    HEAT = auto()

    @property
    def label(self):
        return self.name.lower()


class Level(IntEnum):
    LOW = 10
    HIGH = 90


class Days(Flag):
    SAT = auto()
    SUN = auto()
    WEEKEND = SAT | SUN


[Mode(2).label, Mode["OFF"], [mode.name for mode in Mode], Level.HIGH > Level.LOW, sum(Level), Days.SUN in Days.WEEKEND, repr(Mode.HEAT), len(Days.WEEKEND)]
#> value: ["heat", 1, ["OFF", "HEAT"], true, 100, true, "<Mode.HEAT: 2>", 2]
