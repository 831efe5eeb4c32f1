threshold = 20
rooms = ["hall", "bath"]
readings = {"hall": 21, "bath": 19}


class Report:
    limit = 5
    warm = [room for room in rooms if readings[room] > threshold]


functions = [lambda: number for number in range(3)]
[Report.warm, [function() for function in functions], [(last := n) for n in range(4)], last]
#> value: [["hall"], [2, 2, 2], [0, 1, 2, 3], 3]
