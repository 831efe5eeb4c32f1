"""Sorting by keys, and a heap."""

import heapq
import random

random.seed(1)
readings = [{"room": random.randrange(50), "value": random.random()} for _ in range(25_000)]
by_value = sorted(readings, key=lambda reading: (reading["room"], -reading["value"]))
heap = []
for reading in readings:
    heapq.heappush(heap, (reading["value"], reading["room"]))
smallest = [heapq.heappop(heap) for _ in range(5_000)]
[by_value[0]["room"], smallest[-1][1], [r["room"] for r in sorted(readings, key=lambda r: r["value"])[:5]]]
