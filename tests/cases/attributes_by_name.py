from collections import UserString
from dataclasses import dataclass
from operator import attrgetter, methodcaller


@dataclass
class Reading:
    room: str
    value: float

    def format(self, digits):
        return f"{self.value:.{digits}f}"


readings = [Reading("hall", 19.52), Reading("bath", 23)]
template = "{r.room:>6}: {r.value:.1f} {units[t]}"
_ = [
    [template.format(r=r, units={"t": "°C"}) for r in sorted(readings, key=attrgetter("value"), reverse=True)],
    list(map(attrgetter("room", "value"), readings)),
    [getattr(readings[0], name, None) for name in ("room", "missing")],
    [hasattr(readings[0], name) for name in ("room", "missing")],
    list(map(methodcaller("format", 1), readings)),
    list(map("<{}>".format, range(2))),
    str(UserString("{0}").format(1)),
    (setattr(readings[0], "room", "attic"), readings[0].room)[1],
]
#> value: [["  bath: 23.0 °C", "  hall: 19.5 °C"], [["hall", 19.52], ["bath", 23]], ["hall", null], [true, false], ["19.5", "23.0"], ["<0>", "<1>"], "1", "attic"]
