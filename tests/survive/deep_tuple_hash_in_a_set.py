nested = ()
for _ in range(100_000):
    nested = (nested,)
try:
    {nested}
except RecursionError:
    pass
"went on"
#> class: "host denial of service"
#> outcome: ["failure", "completed"]
