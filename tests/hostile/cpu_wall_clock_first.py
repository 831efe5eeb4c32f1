print("before")
while True:
    pass
#> outcome: ["timeout"]
#> stdout_starts: "before\n"
#> limits: {"timeout": 0.5}
