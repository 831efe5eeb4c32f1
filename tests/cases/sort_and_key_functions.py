from operator import attrgetter, itemgetter, methodcaller

rooms = [{"name": "hall", "t": 21}, {"name": "Bath", "t": 23}, {"name": "attic", "t": 21}]
by_heat = sorted(rooms, key=lambda room: (-room["t"], room["name"].lower()))
names = list(map(itemgetter("name"), by_heat))
[names, sorted(names, key=methodcaller("lower")), max(rooms, key=itemgetter("t"))["name"], attrgetter("real")(3), sorted([3, 1, 2], reverse=True)]
#> value: [["Bath", "attic", "hall"], ["attic", "Bath", "hall"], "Bath", 3, [3, 2, 1]]
