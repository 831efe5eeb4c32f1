lines = iter(["kitchen 21", "hall 19", "", "bath 23"])
found = {}
while line := next(lines):
    room, degrees = line.split()
    found[room] = int(degrees)
counter, flags, items = 5, 0b1010, [1]
counter += 2
counter *= 3
counter //= 2
counter **= 2
flags |= 0b0101
flags >>= 1
items *= 3
items[0] += 9
[found, counter, flags, items]
#> value: [{"kitchen": 21, "hall": 19}, 100, 7, [10, 1, 1]]
