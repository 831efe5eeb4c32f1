"""Generators that feed each other, and itertools."""

import itertools


def readings(count):
    for n in range(count):
        yield {"at": n, "value": (n * 7919) % 1000}


def smooth(values, width):
    window = []
    for value in values:
        window.append(value)
        if len(window) > width:
            window.pop(0)
        yield sum(window) / len(window)


def changes(values, threshold):
    previous = None
    for value in values:
        if previous is not None and abs(value - previous) > threshold:
            yield value
        previous = value


values = (reading["value"] for reading in readings(60_000))
pairs = itertools.pairwise(changes(smooth(values, 8), 1.0))
groups = itertools.groupby(pairs, key=lambda pair: pair[1] > pair[0])
sum(len(list(group)) for rising, group in groups if rising)
