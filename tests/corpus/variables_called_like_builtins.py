def solve(input):
    lines = input.strip().splitlines()
    dir = {"N": (0, 1), "S": (0, -1), "E": (1, 0), "W": (-1, 0)}
    x = y = 0
    for line in lines:
        dx, dy = dir[line[0]]
        step = int(line[1:])
        x, y = x + dx * step, y + dy * step
    return abs(x) + abs(y)


def find_exit(maze):
    os = []
    for r, row in enumerate(maze):
        for c, cell in enumerate(row):
            if cell == "E":
                exit = (r, c)
            elif cell == "o":
                os.append((r, c))
    return exit, os


help = "N3\nE4\nS1"
print(solve(help))
print(find_exit(["#o#", "oE#"]))
#> stdout: "6\n((1, 1), [(0, 1), (1, 0)])\n"
