kept = []
try:
    while True:
        kept.append("x" * 1_000_000 + str(len(kept)))
except MemoryError:
    many = len(kept)
    kept.clear()
print("going on")
many > 10 and sum(range(100_000))
#> class: "host denial of service"
#> outcome: ["completed"]
#> value: 4999950000
#> stdout_starts: "going on"
