from dataclasses import dataclass


@dataclass
class Motion:
    room: str
    seconds: int = 0


def act(event):
    match event:
        case Motion("hall" | "stairs" as room, seconds=0):
            return f"light {room}"
        case Motion(seconds=seconds) if seconds > 60:
            return "still there"
        case Motion():
            return "motion"
        case {"type": "set", "level": int(level) | float(level), **rest}:
            return f"level {level} {sorted(rest)}"
        case ["scene", name, *others]:
            return f"scene {name} +{len(others)}"
        case str() | bytes():
            return "text"
        case None | True | -1:
            return "constant"
        case _:
            return "?"


events = [Motion("hall"), Motion("bath", 90), Motion("bath"), {"type": "set", "level": 0.5, "x": 1}, ["scene", "tv", 1, 2], "hi", -1, {}]
[act(event) for event in events]
#> value: ["light hall", "still there", "motion", "level 0.5 ['x']", "scene tv +2", "text", "constant", "?"]
