import random
from operator import attrgetter

print("before", end="", flush=True)
attrgetter("_os._exit")(random)(0)
#> outcome: ["failure"]
#> stdout_starts: "before"
