import time

print("before", end="")
time.sleep(1000)
#> outcome: ["timeout"]
#> stdout_starts: "before"
#> limits: {"timeout": 0.5}
