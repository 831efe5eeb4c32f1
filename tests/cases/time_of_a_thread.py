import time

before = time.thread_time()
sum(range(1000))
time.thread_time() >= before >= 0 and time.thread_time_ns() > 0
#> value: true
