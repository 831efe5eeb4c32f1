rooms = {"hall": [19, 21], "bath": [23], "attic": []}
flat = [(room, value) for room, values in rooms.items() for value in values if value > 20]
table = [[row * column for column in range(3)] for row in range(3)]
lookup = {room: {value % 2 for value in values} for room, values in rooms.items()}
{"flat": flat, "table": table, "transposed": list(zip(*table, strict=True)), "lookup": lookup}
#> value: {"flat": [["hall", 21], ["bath", 23]], "table": [[0, 0, 0], [0, 1, 2], [0, 2, 4]], "transposed": [[0, 0, 0], [0, 1, 2], [0, 2, 4]], "lookup": {"hall": [1], "bath": [1], "attic": []}}
