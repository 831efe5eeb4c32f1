import re

pattern = "(?:" * 90 + "a" + ")*" * 90
re.fullmatch(pattern, "a" * 1000 + "b")
#> class: "host denial of service"
#> outcome: ["cpu_limit", "completed", "failure"]
#> limits: {"max_cpu_seconds": 0.5}
