print("before")
while True:
    pass
#> class: "host denial of service"
#> outcome: ["timeout"]
#> stdout_starts: "before\n"
#> limits: {"timeout": 0.5}
