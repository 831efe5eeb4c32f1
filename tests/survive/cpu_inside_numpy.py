import numpy as np

a = np.random.rand(500, 500)
while True:
    np.linalg.svd(a)
    np.sort(a, axis=None)
    np.einsum("ij,jk->ik", a, a)
    np.fft.fft2(a)
#> class: "host denial of service"
#> outcome: ["cpu_limit"]
#> limits: {"max_cpu_seconds": 0.5}
