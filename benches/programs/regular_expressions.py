"""Matches in the lines of a log."""

import re

lines = [f"2026-01-{n % 28 + 1:02} 12:{n % 60:02}:00 sensor.room_{n % 50} changed from {n} to {n + 1} W" for n in range(10_000)]
pattern = re.compile(r"(\d{4})-(\d\d)-(\d\d) \S+ (sensor\.\w+) changed from (\d+) to (\d+)")
found = pattern.findall("\n".join(lines))
sum(int(new) - int(old) for *_, old, new in found)
