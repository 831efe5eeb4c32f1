from dataclasses import FrozenInstanceError, dataclass, replace


@dataclass(frozen=True, order=True)
class Reading:
    value: float
    room: str = "hall"

    def __post_init__(self):
        if self.value < -273.15:
            raise ValueError("below absolute zero")


first = Reading(21.5)
try:
    first.value = 99
except FrozenInstanceError as error:
    print(error)
second = replace(first, room="bath")
[max(first, Reading(22.0)), second, len({first, Reading(21.5)}), repr(second)]
#> value: [{"value": 22.0, "room": "hall"}, {"value": 21.5, "room": "bath"}, 1, "Reading(value=21.5, room='bath')"]
#> stdout: "cannot assign to field 'value'\n"
