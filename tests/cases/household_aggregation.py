import statistics
from collections import defaultdict
from datetime import datetime, timedelta
from random import Random

random = Random(7)
start = datetime(2025, 1, 1)
rooms = ["kitchen", "hall", "bath", "attic"]
records = [
    {
        "room": rooms[n % 4],
        "at": (start + timedelta(minutes=15 * n)).isoformat(),
        "watts": 100 + 50 * (n % 4) + random.randrange(10),
        "state": "unavailable" if n % 97 == 0 else "ok",
    }
    for n in range(1000)
]
usage = defaultdict(lambda: defaultdict(list))
for record in records:
    if record["state"] == "ok":
        hour = datetime.fromisoformat(record["at"]).hour
        usage[record["room"]]["night" if hour < 6 else "day"].append(record["watts"])
summary = {
    room: {part: {"n": len(watts), "median": statistics.median(watts)} for part, watts in sorted(parts.items())}
    for room, parts in sorted(usage.items())
}
peak = max(summary, key=lambda room: summary[room]["day"]["median"])
_ = {"peak": peak, "skipped": sum(r["state"] != "ok" for r in records), "rooms": list(summary), "days": records[-1]["at"][:10],
     "counts": [parts["day"]["n"] + parts["night"]["n"] for parts in summary.values()],
     "plausible": all(100 <= part["median"] <= 260 for parts in summary.values() for part in parts.values())}
#> value: {"peak": "attic", "skipped": 11, "rooms": ["attic", "bath", "hall", "kitchen"], "days": "2025-01-11", "counts": [248, 247, 247, 247], "plausible": true}
