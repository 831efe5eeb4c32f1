import pickle

nested = []
for _ in range(100_000):
    nested = [nested]
caught = 0
for attempt in (lambda: pickle.dumps(nested), lambda: pickle.loads(b"(" * 10**6), lambda: pickle.loads(b"]" * 10**6 + b"a" * (10**6 - 1) + b"."), lambda: repr(pickle.loads(b"]" * 10**5 + b"a" * (10**5 - 1) + b"."))):
    try:
        attempt()
    except (RecursionError, pickle.UnpicklingError, EOFError, MemoryError):
        caught += 1
caught
#> class: "host denial of service"
#> outcome: ["completed", "failure", "memory_limit"]
