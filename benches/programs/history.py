"""A week of readings: times parsed, grouped by hour, and statistics of them."""

import statistics
from collections import defaultdict
from datetime import datetime, timedelta

start = datetime(2026, 1, 5)
history = [{"time": (start + timedelta(minutes=n)).isoformat(), "value": (n * 37) % 1201 / 10} for n in range(10_080)]
hourly = defaultdict(list)
for reading in history:
    at = datetime.fromisoformat(reading["time"])
    hourly[at.weekday(), at.hour].append(reading["value"])
means = {at: statistics.fmean(values) for at, values in hourly.items()}
spread = {at: statistics.stdev(values) for at, values in list(hourly.items())[:24]}
[len(means), round(max(means.values()), 3), round(sum(spread.values()), 3), round(statistics.median(r["value"] for r in history), 2)]
