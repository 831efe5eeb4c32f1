import array
import itertools

for iterator in (iter([1, 2]), iter((1, 2)), iter("ab"), iter(b"ab"), iter(bytearray(b"ab")), iter(range(3)), reversed([1]), iter(array.array("i", [1])), itertools.count(), itertools.cycle([1])):
    for state in (-1, 2**31, 2**62, -(2**62), (), None, (1, 2, 3), ([1], 99)):
        try:
            iterator.__setstate__(state)
            next(iterator)
        except (AttributeError, TypeError, ValueError, OverflowError, StopIteration, IndexError):
            pass
"alive"
#> class: "escape"
#> outcome: ["completed"]
#> value: "alive"
