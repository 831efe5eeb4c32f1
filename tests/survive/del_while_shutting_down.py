import time


class Lingers:
    def __del__(self):
        time.sleep(100)


kept = Lingers()
kept.itself = kept
"answer"
#> class: "peer denial of service"
#> outcome: ["completed", "timeout"]
#> limits: {"timeout": 0.5}
