"""What the interpreter is trained on: programs as agents write them about a house.

An instrumented CPython runs this; the compiler learns which paths are hot. Each `work_…` is one kind of work, of about
the same duration. The programs of the benchmarks are not in here.
"""

import ast
import asyncio
import base64
import bisect
import collections
import csv
import dataclasses
import datetime
import decimal
import enum
import functools
import heapq
import io
import itertools
import json
import math
import operator
import random
import re
import statistics
import string
import textwrap
import types

ROOMS = ("kitchen", "living_room", "hall", "bathroom", "bedroom", "office", "garage", "garden", "cellar")
KINDS = ("power", "temperature", "humidity", "motion", "light", "switch", "energy")
START = datetime.datetime(2026, 3, 1, tzinfo=datetime.timezone.utc)


def make_devices():
    """Devices as a service describes them."""
    return [
        {
            "entity_id": f"sensor.{room}_{kind}",
            "name": f"{room.replace('_', ' ').title()} {kind.title()}",
            "area": room,
            "state": str(round(random.uniform(0, 100), 2)) if kind != "switch" else "on",
            "attributes": {"unit": {"power": "W", "temperature": "°C"}.get(kind), "device_class": kind, "tags": [kind, room]},
            "available": random.random() > 0.05,
        }
        for room, kind in itertools.product(ROOMS, KINDS)
    ]


def make_history(count):
    """Readings as a service returns them."""
    return [
        {"time": (START + datetime.timedelta(minutes=5 * n)).isoformat(), "value": round(random.gauss(400, 250), 1)}
        for n in range(count)
    ]


def work_filter_and_group(devices):
    """Comprehensions, dictionaries and sorting."""
    by_area = collections.defaultdict(list)
    for device in devices:
        if device["available"] and "sensor" in device["entity_id"]:
            by_area[device["area"]].append(device)
    busy = {area: len(found) for area, found in by_area.items() if len(found) > 2}
    names = sorted((d["name"] for d in devices), key=str.lower)
    top = sorted(devices, key=lambda d: (-float(d["state"]) if d["state"] != "on" else 0, d["name"]))[:10]
    units = collections.Counter(d["attributes"]["unit"] for d in devices).most_common()
    by_id = {d["entity_id"]: d for d in devices}
    missing = [k for k in by_id if by_id[k].get("battery", {}).get("level", 100) < 20]
    return busy, names, [t["name"] for t in top], units, missing, any(d["state"] == "on" for d in devices)


def work_history(history):
    """Times, statistics, windows."""
    hourly = collections.defaultdict(list)
    previous = None
    rises = 0
    for reading in history:
        at = datetime.datetime.fromisoformat(reading["time"])
        hourly[at.hour].append(reading["value"])
        if previous is not None and reading["value"] > previous * 1.5 > 0:
            rises += 1
        previous = reading["value"]
    means = {hour: round(statistics.fmean(values), 2) for hour, values in sorted(hourly.items())}
    values = [reading["value"] for reading in history]
    smooth = [sum(values[n : n + 12]) / 12 for n in range(0, len(values) - 12, 12)]
    spread = statistics.pstdev(values[:500]), statistics.median(values), min(values), max(values)
    peak = max(means, key=means.get)
    edges = sorted(values)
    return means, smooth[:5], spread, peak, rises, bisect.bisect(edges, 400.0), heapq.nlargest(5, values)


def work_json(devices, history):
    """There and back."""
    text = json.dumps({"devices": devices, "history": history})
    data = json.loads(text)
    pretty = json.dumps(data["devices"][:20], indent=2, sort_keys=True)
    return len(text), len(pretty), data == {"devices": devices, "history": history}


LOG_LINE = re.compile(r"^(?P<time>\S+) \[(?P<level>[A-Z]+)\] (?P<source>[\w.]+): (?P<message>.*)$")


def work_text(devices):
    """Regular expressions, formatting, splitting."""
    lines = [
        f"{START + datetime.timedelta(seconds=n)} [{random.choice(('INFO', 'WARNING', 'ERROR'))}] {d['entity_id']}: state={d['state']}, code {n:04x}"
        for n, d in enumerate(devices * 3)
    ]
    text = "\n".join(line.replace(" ", "T", 1) for line in lines)
    levels = collections.Counter(m["level"] for line in text.splitlines() if (m := LOG_LINE.match(line)))
    numbers = [float(found) for found in re.findall(r"state=(\d+\.\d+)", text)]
    words = collections.Counter(re.split(r"\W+", text.lower()))
    slug = re.sub(r"[^a-z0-9]+", "-", text[:2000].lower()).strip("-")
    table = "\n".join(f"{name:<30}|{count:>6}|{count / len(words):>8.2%}" for name, count in words.most_common(20))
    wrapped = textwrap.fill(" ".join(words), 78)
    parts = [line.partition(": ")[2].strip().upper() for line in lines if line.endswith(tuple(string.digits))]
    return levels, sum(numbers), slug[:40], table, len(wrapped), len(parts), "%s %5.1f" % ("mean", sum(numbers) / len(numbers))


class Mode(enum.Enum):
    """How a room is heated."""

    AWAY = "away"
    HOME = "home"


@dataclasses.dataclass(order=True)
class Room:
    """A room with its readings."""

    name: str
    mode: Mode = dataclasses.field(default=Mode.HOME, compare=False)
    readings: list = dataclasses.field(default_factory=list, compare=False)

    @property
    def mean(self):
        """Of its readings."""
        return sum(self.readings) / len(self.readings) if self.readings else 0.0

    def add(self, value):
        """Takes one reading."""
        if not isinstance(value, (int, float)):
            raise TypeError(f"not a number: {value!r}")
        self.readings.append(value)
        return self


class Heated(Room):
    """A room that has a target."""

    target = 21

    def needs_heat(self, outside=0):
        """Whether it is too cold."""
        return self.mode is Mode.HOME and self.mean + 0.1 * outside < self.target

    def __repr__(self):
        return f"<{type(self).__name__} {self.name}>"


def work_objects():
    """Classes, properties, exceptions, closures, generators."""
    rooms = [Heated(name, random.choice(list(Mode))) for name in ROOMS]
    failed = 0
    for n in range(300):
        try:
            rooms[n % len(rooms)].add(n / 10 if n % 17 else "broken")
        except TypeError:
            failed += 1

    def running(values):
        total = 0
        for value in values:
            total += value
            yield total

    @functools.lru_cache
    def cost(kilowatt_hours, night):
        return kilowatt_hours * (0.21 if night else 0.34)

    sums = [list(running(room.readings))[-1] for room in rooms]
    costs = sum(cost(n % 40, n % 3 == 0) for n in range(500))
    return sorted(rooms)[0], [room for room in rooms if room.needs_heat(outside=3)], failed, sums, costs


def work_numbers():
    """Loops over numbers, as simulations have them."""
    level, pump, log = 50.0, False, []
    for minute in range(2000):
        inflow = 2.0 + math.sin(minute / 90) if pump else 0.0
        level = max(0.0, min(100.0, level + inflow - 0.9))
        if level < 20:
            pump = True
        elif level > 80:
            pump = False
        if minute % 60 == 0:
            log.append((minute, round(level, 2), pump))
    grid = [[(x * y) % 7 for x in range(24)] for y in range(24)]
    transposed = list(map(list, zip(*grid)))
    flat = [cell for row in transposed for cell in row if cell & 1]
    seen, n = set(), 27
    while n not in seen:
        seen.add(n)
        n = n // 2 if n % 2 == 0 else 3 * n + 1
    money = sum((decimal.Decimal(i) / 100 for i in range(100)), decimal.Decimal(0))
    pairs = sum(a * b for a, b in itertools.combinations(range(30), 2))
    return log, sum(flat), len(seen), money, pairs, 12345**40 % 99991


def work_tables(devices):
    """CSV and bytes."""
    out = io.StringIO()
    writer = csv.DictWriter(out, ["entity_id", "area", "state"], extrasaction="ignore")
    writer.writeheader()
    writer.writerows(devices)
    rows = list(csv.DictReader(io.StringIO(out.getvalue())))
    packed = base64.b64encode(out.getvalue().encode())
    joined = {row["entity_id"]: {**row, "n": n} for n, row in enumerate(rows)}
    return len(packed), sorted(joined.values(), key=operator.itemgetter("area", "n"))[0]


async def work_tasks():
    """Gathered awaits, timeouts, queues."""

    async def fetch(n):
        await asyncio.sleep(0)
        return {"n": n, "data": [n] * 3}

    replies = await asyncio.gather(*(fetch(n) for n in range(60)))
    queue = asyncio.Queue()
    for reply in replies:
        queue.put_nowait(reply)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(queue.get()) for _ in range(60)]
    async with asyncio.timeout(10):
        await asyncio.sleep(0)
    return sum(task.result()["n"] for task in tasks)


PROGRAM = '''
import json
from datetime import timedelta

def summarise(readings, limit=1000):
    """One line for each room."""
    high = [r for r in readings if r.get("value", 0) > limit]
    rooms = {}
    for reading in readings:
        rooms.setdefault(reading["room"], []).append(reading["value"])
    return {
        "high": len(high),
        "rooms": {room: round(sum(v) / len(v), 1) for room, v in rooms.items()},
        "text": f"{len(readings)} readings, {len(high)} high",
    }

readings = [{"room": "hall" if n % 2 else "bath", "value": n * 7.5} for n in range(40)]
try:
    result = summarise(readings)
    print(json.dumps(result), timedelta(hours=3))
except (KeyError, ZeroDivisionError) as error:
    result = {"error": str(error)}
result
'''


# Agents write most of a program at module level, where each name is looked up in a dictionary.
MODULE = '''
total, highest, by_room, alerts = 0.0, None, {}, []
for reading in readings:
    value = reading["value"]
    total += value
    if highest is None or value > highest["value"]:
        highest = reading
    room = reading["room"]
    if room not in by_room:
        by_room[room] = []
    by_room[room].append(value)
    if value > 150 and room.startswith("h"):
        alerts.append(f"{room}: {value:.1f}")

def average(values):
    return sum(values) / len(values) if values else None

def describe(room, values, unit="W"):
    return {"room": room, "mean": average(values), "high": max(values), "unit": unit}

def depth(tree):
    if not tree["children"]:
        return 1
    return 1 + max(depth(child) for child in tree["children"])

def grow(levels):
    return {"name": str(levels), "children": [grow(levels - 1) for _ in range(2)] if levels else []}

rows = [describe(room, values) for room, values in by_room.items()]
deepest = depth(grow(7))
count = 0
while count < 400:
    count += 1
    if count % 3 == 0:
        continue
    x = count * 2 - 1
    y = x // 3 + (x & 7)
report = {"total": total, "highest": highest, "rows": rows, "alerts": len(alerts), "deepest": deepest}
'''
MODULE_CODE = compile(MODULE, "main.py", "exec")


def work_module():
    """Loops over names of a module, and small functions that call each other."""
    readings = [{"room": random.choice(ROOMS), "value": random.uniform(0, 200)} for _ in range(400)]
    exec(MODULE_CODE, {"readings": readings})


def work_compile():
    """Programs come as text."""
    tree = ast.parse(PROGRAM)
    namespace = types.SimpleNamespace(print=lambda *_: None)
    for source in (PROGRAM, "1 + 1", "[n for n in range(3) if n]", "x = {'a': (1, 2)}; x['a'][0]"):
        exec(compile(source, "main.py", "exec"), dict(vars(namespace)))
    compile(tree, "main.py", "exec")
    try:
        compile("def f(:", "main.py", "exec")
    except SyntaxError:
        pass


def main():
    """Everything, often enough to tell hot from warm."""
    random.seed(8030)
    devices, history = make_devices(), make_history(1500)
    for _ in range(12):
        work_filter_and_group(devices)
        work_history(history)
        work_json(devices, history)
        work_text(devices)
        for _ in range(4):
            work_objects()
            work_module()
            work_numbers()
            work_tables(devices)
            asyncio.run(work_tasks())
            work_compile()


main()
