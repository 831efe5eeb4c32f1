from typing import NamedTuple


class Reading(NamedTuple):
    room: str
    value: float = 0.0

    @property
    def warm(self):
        return self.value > 20


reading = Reading("hall", 21.5)
room, value = reading
[reading, room, reading.warm, reading._replace(value=1.0), Reading("bath")._asdict(), reading[-1]]
#> value: [["hall", 21.5], "hall", true, ["hall", 1.0], {"room": "bath", "value": 0.0}, 21.5]
