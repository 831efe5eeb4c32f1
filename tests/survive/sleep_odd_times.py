import asyncio
import time

caught = 0
for seconds in (-1, float("nan"), float("inf"), 1e300, 10**30, "1"):
    try:
        time.sleep(seconds)
    except (ValueError, OverflowError, TypeError, OSError):
        caught += 1
try:
    await asyncio.wait_for(asyncio.sleep(float("inf")), 0.01)
except (TimeoutError, OverflowError):
    caught += 1
caught
#> class: "peer denial of service"
#> outcome: ["completed"]
#> value: 7
