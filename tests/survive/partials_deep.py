import functools

call = int
for _ in range(50_000):
    call = functools.partial(call)
    call.mark = 1  # keeps it from being flattened
call()
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["RecursionError"]
