import time


class Sleepy(Exception):
    def __str__(self):
        time.sleep(1000)


print("before", end="")
raise Sleepy
#> class: "host denial of service"
#> outcome: ["timeout"]
#> stdout_starts: "before"
#> limits: {"timeout": 0.5}
