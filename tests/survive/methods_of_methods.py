import types

method = len
for _ in range(2000):
    method = types.MethodType(method, 1)
method()
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["RecursionError", "TypeError"]
