"""Integers of many digits: a thousand of pi's."""


def digits(count):
    q, r, t, k, n, l = 1, 0, 1, 1, 3, 3
    found = []
    while len(found) < count:
        if 4 * q + r - t < n * t:
            found.append(n)
            q, r, n = q * 10, 10 * (r - n * t), 10 * (3 * q + r) // t - 10 * n
        else:
            q, r, t, k, n, l = q * k, (2 * q + r) * l, t * l, k + 1, (q * (7 * k + 2) + r * l) // (t * l), l + 2
    return found


sum(digits(800))
