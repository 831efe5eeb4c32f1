event = {"type": "motion", "room": "hall"}
match event:
    case {"type": "door"}:
        "door"
    case {"type": "motion", "room": room}:
        f"motion in the {room}"
    case _:
        "unknown"
#> value: "motion in the hall"
