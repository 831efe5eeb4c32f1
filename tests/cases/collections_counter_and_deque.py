from collections import ChainMap, Counter, OrderedDict, defaultdict, deque

events = "motion door motion light motion door".split()
count = Counter(events)
count.subtract(["light"])
index = defaultdict(list)
for position, event in enumerate(events):
    index[event].append(position)
window = deque(maxlen=3)
averages = []
for value in [1, 2, 3, 4, 5]:
    window.append(value)
    averages.append(sum(window) / len(window))
window.rotate(1)
order = OrderedDict(a=1, b=2)
order.move_to_end("a")
[count.most_common(2), (count - Counter(motion=2)).total(), index, averages, window, list(order), ChainMap({"a": 1}, {"a": 2, "b": 3})["b"]]
#> value: [[["motion", 3], ["door", 2]], 3, {"motion": [0, 2, 4], "door": [1, 5], "light": [3]}, [1.0, 1.5, 2.0, 3.0, 4.0], [5, 3, 4], ["b", "a"], 3]
