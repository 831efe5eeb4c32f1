# C++ code, which has no exceptions in here: without memory, it ends the program.
import numpy as np

kept = [np.ones(2**16)]
while True:
    kept.append(np.fft.fft(np.ones(2**16 + 1)))
#> class: "host denial of service"
#> outcome: ["memory_limit", "failure"]
#> error_type: ["", null, "MemoryError", "_ArrayMemoryError", "SystemError"]
