import heapq
import itertools
from dataclasses import dataclass, field


@dataclass(order=True)
class Task:
    due: int
    sequence: int
    action: object = field(compare=False)


class Scheduler:
    def __init__(self):
        self.now, self._heap, self._counter = 0, [], itertools.count()

    def after(self, delay, action):
        heapq.heappush(self._heap, Task(self.now + delay, next(self._counter), action))

    def run(self, until):
        while self._heap and self._heap[0].due <= until:
            task = heapq.heappop(self._heap)
            self.now = task.due
            task.action()


log = []
scheduler = Scheduler()
scheduler.after(5, lambda: log.append((scheduler.now, "five")))
scheduler.after(2, lambda: (log.append((scheduler.now, "two")), scheduler.after(2, lambda: log.append("nested"))))
scheduler.after(2, lambda: log.append("tie"))
scheduler.run(until=10)
print(log)
#> stdout: "[(2, 'two'), 'tie', 'nested', (5, 'five')]\n"
