import types

proxy = {}
for _ in range(100_000):
    proxy = types.MappingProxyType(proxy)
print("before", end="")
proxy.get("x")
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["RecursionError"]
#> stdout_starts: "before"
