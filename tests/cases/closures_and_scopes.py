total = 0


def counter(step):
    count = 0

    def add():
        nonlocal count
        global total
        count += step
        total += step
        return count

    return add


ones, tens = counter(1), counter(10)
[ones(), ones(), tens(), ones(), total]
#> value: [1, 2, 10, 3, 13]
