import os
import atexit
import weakref


class Last:
    def __del__(self):
        os._exit(0)


atexit.register(os._exit, 3)
weakref.finalize(Last, os._exit, 4)
last = Last()
last.itself = last
print("before", end="")
#> class: "self denial of service"
#> outcome: ["failure", "completed"]
#> stdout_starts: "before"
