"""Programs that run while the image is made. Together they take the code paths that most executions take."""

PROGRAMS = (
    """
import dataclasses, datetime, json, math
from collections import Counter

@dataclasses.dataclass
class Reading:
    entity: str
    value: float

readings = [Reading(f"sensor.{i}", i / 7) for i in range(50)]
total = sum(reading.value for reading in readings)
print("", end="")
counts = Counter(reading.entity[:6] for reading in readings)
_ = {"readings": readings, "total": total, "counts": counts, "at": datetime.date(2024, 1, 1)}
""",
    """
import asyncio

async def double(number):
    await asyncio.sleep(0)
    return number * 2

async with asyncio.TaskGroup() as group:
    task = group.create_task(double(4))
await asyncio.gather(*(double(n) for n in range(3)))
""",
    """
import asyncio

async def main():
    return await asyncio.wait_for(asyncio.sleep(0, "done"), 1)

asyncio.run(main())
""",
    """
def divide(a, b):
    return a / b

try:
    divide(1, 0)
except ZeroDivisionError as error:
    raise ValueError("again") from error
""",
    "undefined_name + given",
    "def f(:",
    "given[0] + 10 ** 20_000",
    "given[0] + 1",
    "1+1",
)
