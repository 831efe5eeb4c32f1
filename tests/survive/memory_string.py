print("before", end="")
text = "a" * 10**9
#> class: "host denial of service"
#> outcome: ["memory_limit"]
#> stdout_starts: "before"
