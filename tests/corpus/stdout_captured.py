import io
import sys


def noisy(n):
    for i in range(n):
        print("line", i)
    return n


old = sys.stdout
sys.stdout = captured = io.StringIO()
try:
    result = noisy(3)
finally:
    sys.stdout = old
print(result, captured.getvalue().split("\n"))
#> stdout: "3 ['line 0', 'line 1', 'line 2', '']\n"
