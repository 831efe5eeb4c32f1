import time

ticks = []
before = time.perf_counter_ns()
while len(ticks) < 200:
    now = time.perf_counter_ns()
    if now != before:
        ticks.append(now - before)
        before = now
min(ticks) >= 10_000
#> class: "host leak"
#> outcome: ["completed"]
#> value: true
