"""Floating-point numbers and indices: planets that attract each other."""

import math

bodies = [[0.0, 0.0, 0.0, 0.0, 39.47], [4.84, -1.16, 0.6, 2.81, 0.037], [8.34, 4.12, -1.01, 1.82, 0.011], [12.89, -15.11, 1.08, 0.86, 0.0017]]


def advance(steps, dt):
    pairs = [(a, b) for n, a in enumerate(bodies) for b in bodies[n + 1 :]]
    for _ in range(steps):
        for a, b in pairs:
            dx, dy = a[0] - b[0], a[1] - b[1]
            force = dt / math.sqrt(dx * dx + dy * dy) ** 3
            a[2] -= dx * b[4] * force
            a[3] -= dy * b[4] * force
            b[2] += dx * a[4] * force
            b[3] += dy * a[4] * force
        for body in bodies:
            body[0] += dt * body[2]
            body[1] += dt * body[3]


advance(12_000, 0.001)
round(bodies[1][0], 9)
