import io

import numpy as np
import numpy.typing as npt


def smooth(values: npt.NDArray[np.float64], width: int) -> npt.NDArray[np.float64]:
    return np.convolve(values, np.ones(width) / width, mode="valid")


try:
    np.linalg.inv(np.zeros((2, 2)))
except np.linalg.LinAlgError as error:
    print(error)
np.testing.assert_allclose([1.0], [1.0 + 1e-9])
try:
    np.testing.assert_array_equal([1, 2], [1, 3])
except AssertionError as error:
    print("Mismatched elements" in str(error))
buffer = io.BytesIO()
np.savez(buffer, a=np.arange(3))
buffer.seek(0)
np.random.seed(1)
first = np.random.rand()
table = np.genfromtxt(io.StringIO("a,b\n1,2\n3,4"), delimiter=",", names=True)
{
    "smooth": smooth(np.array([1.0, 2, 3, 4]), 2),
    "solved": np.linalg.solve(np.array([[3.0, 1], [1, 2]]), np.array([9.0, 8])).round(9),
    "eigen": np.linalg.eigvalsh(np.array([[2.0, 0], [0, 1]])),
    "fft": np.abs(np.fft.rfft(np.array([1.0, 0, -1, 0]))),
    "fit": np.polynomial.Polynomial.fit([0, 1, 2], [1, 3, 5], 1).convert().coef.round(9),
    "einsum": np.einsum("ij,jk->ik", np.eye(2), np.ones((2, 2))),
    "seeded": [round(first, 6), round(float(np.random.default_rng(1).random()), 6)],
    "saved": np.load(buffer)["a"],
    "table": table,
    "strings": np.strings.upper(np.array(["abc", "d"])),
    "division": np.array([1.0, -1.0, 0.0]) / 0.0,
    "printed": str(np.array([[1.5, 2], [3, 4]])),
}
#> value: {"smooth": [1.5, 2.5, 3.5], "solved": [2.0, 3.0], "eigen": [1.0, 2.0], "fft": [0.0, 2.0, 0.0], "fit": [1.0, 2.0], "einsum": [[1.0, 1.0], [1.0, 1.0]], "seeded": [0.417022, 0.511822], "saved": [0, 1, 2], "table": [{"a": 1.0, "b": 2.0}, {"a": 3.0, "b": 4.0}], "strings": ["ABC", "D"], "division": [null, null, null], "printed": "[[1.5 2. ]\n [3.  4. ]]"}
#> stdout: "Singular matrix\nTrue\n"
#> host: "needs numpy"
