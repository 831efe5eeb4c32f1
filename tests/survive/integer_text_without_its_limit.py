import asyncio
from operator import attrgetter

attrgetter("events.sys.set_int_max_str_digits")(asyncio)(0)
int("9" * 20_000_000)
#> class: "host denial of service"
#> outcome: ["cpu_limit", "failure"]
#> limits: {"max_cpu_seconds": 0.5}
