import random
from operator import attrgetter

print("before", end="", flush=True)
attrgetter("_os._exit")(random)(0)
#> class: "self denial of service"
#> outcome: ["failure"]
#> stdout_starts: "before"
