import timeit

timeit.timeit("while True: pass", number=1)
#> class: "host denial of service"
#> outcome: ["cpu_limit", "timeout"]
