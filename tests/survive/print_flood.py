for n in range(10**7):
    print("line", n)
#> class: "host denial of service"
#> outcome: ["cpu_limit"]
#> stdout_starts: "line 0\nline 1\n"
#> limits: {"max_cpu_seconds": 0.5}
