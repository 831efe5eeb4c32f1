import json
import statistics
from collections import defaultdict
from datetime import datetime

by_room = defaultdict(list)
for reading in readings:
    by_room[reading["room"]].append((reading["watts"], datetime.fromisoformat(reading["time"])))
summary = {}
for room, values in by_room.items():
    watts = [value for value, _ in values]
    peak, at = max(values)
    summary[room] = {"mean": round(statistics.fmean(watts), 1), "peak": peak, "peak_hour": at.hour}
print(json.dumps(summary))
summary
