import numpy as np

kept = []
for size in (2**27, 2**24, 2**20, 2**16):
    try:
        while True:
            kept.append(np.ones(size))
    except MemoryError:
        pass
kept.append(np.ones(2**27))
#> class: "host denial of service"
#> outcome: ["memory_limit", "failure"]
#> error_type: ["", null, "MemoryError", "_ArrayMemoryError"]
