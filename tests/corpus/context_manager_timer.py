import time
from contextlib import ExitStack, contextmanager, suppress


class Timer:
    def __enter__(self):
        self.start = time.perf_counter()
        return self

    def __exit__(self, exc_type, exc, tb):
        self.elapsed = time.perf_counter() - self.start
        print("exit with", exc_type.__name__ if exc_type else None)
        return exc_type is KeyError


@contextmanager
def tag(name):
    print(f"<{name}>")
    try:
        yield name
    finally:
        print(f"</{name}>")


with Timer() as timer, tag("p"):
    print("text")
with Timer():
    {}["missing"]
with ExitStack() as stack, suppress(ZeroDivisionError):
    names = [stack.enter_context(tag(n)) for n in "ab"]
    1 / 0
print(timer.elapsed >= 0, names)
#> stdout: "<p>\ntext\n</p>\nexit with None\nexit with KeyError\n<a>\n<b>\n</b>\n</a>\nTrue ['a', 'b']\n"
