"""Backtracking with sets: ten queens on a board."""


def place(row, size, columns, rising, falling):
    if row == size:
        return 1
    found = 0
    for column in range(size):
        if column not in columns and row + column not in rising and row - column not in falling:
            found += place(row + 1, size, columns | {column}, rising | {row + column}, falling | {row - column})
    return found


place(0, 10, frozenset(), frozenset(), frozenset())
