import time

before = time.thread_time()
sum(range(1000))
info = time.get_clock_info("thread_time")
time.thread_time() >= before >= 0 and time.thread_time_ns() > 0 and info.monotonic and info.resolution > 0
#> value: true
