import queue

jobs = queue.PriorityQueue()
for priority, name in [(3, "sweep"), (1, "fire"), (2, "mail")]:
    jobs.put((priority, name))
order = []
while not jobs.empty():
    order.append(jobs.get()[1])
    jobs.task_done()
print(order)

small = queue.Queue(maxsize=1)
small.put("x")
try:
    small.put_nowait("y")
except queue.Full:
    print("full", small.qsize())
try:
    queue.LifoQueue().get_nowait()
except queue.Empty:
    print("empty")
#> stdout: "['fire', 'mail', 'sweep']\nfull 1\nempty\n"
