import bisect
import heapq

tasks = [(3, "vacuum"), (1, "lights"), (2, "blinds")]
heapq.heapify(tasks)
heapq.heappush(tasks, (0, "alarm"))
order = [heapq.heappop(tasks)[1] for _ in range(4)]
steps = [0, 18, 21, 24]
names = ["cold", "cool", "fine", "warm"]
labels = [names[bisect.bisect(steps, t) - 1] for t in (5, 18, 23.9, 30)]
bisect.insort(steps, 20)
[order, labels, steps, heapq.nlargest(2, [4, 9, 1, 7]), list(heapq.merge([1, 4], [2, 3]))]
#> value: [["alarm", "lights", "blinds", "vacuum"], ["cold", "cool", "fine", "warm"], [0, 18, 20, 21, 24], [9, 7], [1, 2, 3, 4]]
