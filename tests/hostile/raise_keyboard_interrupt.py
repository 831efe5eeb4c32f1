print("before", end="")
raise KeyboardInterrupt
#> outcome: ["failure"]
#> error_type: ["KeyboardInterrupt"]
#> stdout_starts: "before"
