import sys


class Stream:
    def write(self, text):
        raise ValueError(text)

    def flush(self):
        raise SystemExit(5)

    def __getattr__(self, name):
        return self


print("before", flush=True)
sys.stdout = sys.stderr = Stream()
try:
    print("lost")
except ValueError:
    pass
#> class: "self denial of service"
#> outcome: ["completed", "failure"]
#> stdout_starts: "before"
