for n in range(20):
    print(n, "x" * 10_000_000)
"alive"
#> class: "host denial of service"
#> outcome: ["completed"]
#> value: "alive"
#> stdout_starts: "0 xxx"
