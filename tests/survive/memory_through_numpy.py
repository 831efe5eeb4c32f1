# Arrays over memory that is not theirs: first the interpreter's own, then behind the end of the linear memory.
import numpy as np

a = np.arange(8, dtype=np.uint8)
everything = np.lib.stride_tricks.as_strided(a, shape=(2**31 - 1,))
print("before", end="", flush=True)
everything[2**20:2**21].sum()
class Memory:
    __array_interface__ = {"data": (0xF0000000, False), "shape": (65535,), "typestr": "|u1", "version": 3}
np.asarray(Memory()).sum()
#> class: "escape"
#> outcome: ["failure"]
#> stdout_starts: "before"
