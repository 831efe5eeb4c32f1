"""A product of matrices that are lists of lists."""


def multiply(a, b):
    columns = list(zip(*b))
    return [[sum(x * y for x, y in zip(row, column)) for column in columns] for row in a]


size = 90
left = [[(i * j) % 11 for j in range(size)] for i in range(size)]
right = [[(i + j) % 13 for j in range(size)] for i in range(size)]
sum(map(sum, multiply(left, right)))
