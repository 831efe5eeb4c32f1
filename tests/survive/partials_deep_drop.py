import functools

call = int
for _ in range(50_000):
    call = functools.partial(call)
    call.mark = 1  # keeps it from being flattened
print("before", end="")
del call
"alive"
#> class: "host denial of service"
#> outcome: ["completed", "failure"]
#> stdout_starts: "before"
