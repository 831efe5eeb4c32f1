import random
from operator import attrgetter

machine = attrgetter("_os")(random)
for _ in range(100):
    machine.write(1, b"\xff\xfe\xc0\x80\xf5" * 5000)
machine.write(2, b"\xed\xa0\x80")
try:
    machine.writev(1, [b"x"] * 100_000)
except (OSError, AttributeError):
    pass
"alive"
#> class: "host denial of service"
#> outcome: ["completed"]
#> value: "alive"
#> stdout_starts: "�"
