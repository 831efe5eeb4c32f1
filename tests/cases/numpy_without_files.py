import io

import numpy as np

tried = []
for attempt in (
    lambda: np.load("x.npy"),
    lambda: np.save("x.npy", np.arange(3)),
    lambda: np.arange(3).tofile("x"),
    lambda: np.arange(3).dump("x"),
    lambda: np.fromfile("x"),
    lambda: np.loadtxt("x"),
    lambda: np.savetxt("x", np.arange(3)),
    lambda: np.genfromtxt("x"),
    lambda: np.lib.format.open_memmap("x"),
    lambda: np.memmap("x"),
    lambda: np.save(io.BytesIO(), np.array([{}], dtype=object)),
    lambda: np.load(io.BytesIO(b"\x80\x04N."), allow_pickle=True),
    lambda: np.array([{}], dtype=object).dumps(),
):
    try:
        tried.append(attempt())
    except Exception as error:
        tried.append(type(error).__name__)
tried
#> value: ["PermissionError", "PermissionError", "PermissionError", "PermissionError", "PermissionError", "PermissionError", "PermissionError", "PermissionError", "AttributeError", "AttributeError", "ValueError", "ValueError", "ValueError"]
#> host: "needs numpy"
