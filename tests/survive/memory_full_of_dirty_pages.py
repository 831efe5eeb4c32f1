# Writes to every page that the program may have; all of them must be reset afterwards.
kept = []
try:
    while True:
        kept.append(b"dirty" * 200_000)
except MemoryError:
    pass
len(kept) > 50
#> class: "peer denial of service"
#> outcome: ["completed", "memory_limit", "failure"]
