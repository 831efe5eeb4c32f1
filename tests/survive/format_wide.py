print("before", end="")
f"{1:>2000000000}"
#> class: "host denial of service"
#> outcome: ["memory_limit"]
#> stdout_starts: "before"
