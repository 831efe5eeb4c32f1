caught = 0
alias = union = int
for _ in range(20_000):
    alias = list[alias]
for attempt in (lambda: repr(alias), lambda: hash(alias), lambda: alias == list[alias]):
    try:
        attempt()
    except RecursionError:
        caught += 1
caught
#> class: "host denial of service"
#> outcome: ["completed", "failure"]
