import time

start = time.perf_counter()
time.sleep(0.02)
took = time.perf_counter() - start
[took >= 0.019, took < 5, time.time() > 1_700_000_000, time.monotonic_ns() > 0, time.strftime("%Y-%m-%d", time.gmtime(0)), time.process_time() >= 0, time.gmtime().tm_year >= 2024]
#> value: [true, true, true, true, "1970-01-01", true, true]
