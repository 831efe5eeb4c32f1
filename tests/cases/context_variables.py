hot = {room: degrees for room, degrees in rooms.items() if degrees > threshold}
rooms["attic"] = 30
(hot, options["scale"], options["nested"][0], unset is None, enabled, len(rooms), "😀" in note)
#> context: {"threshold": 21.5, "rooms": {"bath": 23, "hall": 19.5}, "options": {"scale": "C", "nested": [1]}, "unset": null, "enabled": true, "note": "fine 😀"}
#> value: [{"bath": 23}, "C", 1, true, true, 3, true]
