"""A loop over names of the module."""

total = 0
for i in range(500_000):
    total += i * i % 7
total
