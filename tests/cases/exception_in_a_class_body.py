class Room:
    sizes = [2, 3]
    area = sizes[0] * sizes[2]


Room.area
#> outcome: "failure"
#> error: "IndexError: list index out of range"
#> line: 3
