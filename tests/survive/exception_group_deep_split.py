group = ValueError("inside")
for level in range(20_000):
    group = ExceptionGroup("level", [group])
try:
    raise group
except* ValueError:
    print("split")
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["RecursionError", "ExceptionGroup"]
