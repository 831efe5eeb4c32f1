"""Records to JSON and back, grouped."""

import json
import statistics

records = [{"id": n, "room": f"room{n % 20}", "value": n * 0.25, "on": n % 3 == 0, "tags": ["a", "b"]} for n in range(8_000)]
back = json.loads(json.dumps(records))
rooms = {}
for record in back:
    rooms.setdefault(record["room"], []).append(record["value"])
sum(statistics.mean(values) for values in rooms.values())
