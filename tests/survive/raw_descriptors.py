import random
from operator import attrgetter

machine = attrgetter("_os")(random)
caught = 0
for attempt in (
    lambda: machine.write(1, b"raw\n"), lambda: machine.read(0, 10**6), lambda: machine.write(3, b"x"), lambda: machine.listdir("/"),
    lambda: attrgetter("open")(machine)("/etc/passwd", 0), lambda: machine.mkdir("/x"), lambda: machine.close(0), lambda: machine.dup2(1, 2), lambda: machine.lseek(1, 0, 0),
    lambda: machine.urandom(20_000_000), lambda: machine.close(1), lambda: machine.close(2),
):
    try:
        attempt()
    except (OSError, AttributeError, MemoryError):
        caught += 1
print("after")
_ = caught
#> class: "host leak"
#> outcome: ["completed", "failure"]
