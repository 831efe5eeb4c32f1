for room in ["kitchen", "hall", "bath"]:
    if room.startswith("b"):
        continue
    room.upper()
else:
    None
#> value: "HALL"
