import sys


def trace(frame, event, argument):
    if event == "line" and jumps:
        try:
            frame.f_lineno = jumps.pop()
        except ValueError:
            pass
    return trace


def victim():
    for each in range(3):
        with open_nothing():
            each += 1
        try:
            each += 1
        finally:
            each += 1
    return each


class open_nothing:
    def __enter__(self):
        pass

    def __exit__(self, *_):
        pass


first = victim.__code__.co_firstlineno
jumps = [first + line for line in (7, 1, 6, 2, 5, 3, 4, 8, -5, 10**6)] * 20
sys.settrace(trace)
try:
    victim()
except Exception:
    pass
sys.settrace(None)
"alive"
#> class: "escape"
#> outcome: ["completed", "failure", "cpu_limit"]
#> limits: {"max_cpu_seconds": 0.5}
