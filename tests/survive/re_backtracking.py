import re

print("before", end="")
re.match(r"(a+)+$", "a" * 60 + "b")
#> class: "host denial of service"
#> outcome: ["cpu_limit"]
#> stdout_starts: "before"
#> limits: {"max_cpu_seconds": 0.5}
