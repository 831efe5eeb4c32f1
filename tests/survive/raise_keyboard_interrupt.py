print("before", end="")
raise KeyboardInterrupt
#> class: "self denial of service"
#> outcome: ["failure"]
#> error_type: ["KeyboardInterrupt"]
#> stdout_starts: "before"
