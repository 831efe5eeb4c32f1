import numpy as np

Reading = np.dtype([("room", "U8"), ("degrees", "f8")])
{
    "arrays": [np.arange(6).reshape(2, 3), np.array(3), np.zeros((0, 2)), np.array([[True], [False]]), np.array(["a", "bc"])],
    "floats": [np.array([1.5, np.nan, -np.inf]), np.float32(0.5), np.float64("nan"), np.longdouble(2.5), np.float16(0.25)],
    "integers": [np.int64(-1), np.uint64(2**64 - 1), np.int8(7), np.bool_(True), np.array([2**63], dtype=np.uint64)],
    "complex": [np.complex128(1 + 2j), np.array([1j])],
    "times": [np.datetime64("2024-05-01T10:30"), np.datetime64("NaT"), np.array(["2024-05-01"], dtype="M8[D]"), np.timedelta64(90, "m"), np.timedelta64(2, "Y")],
    "texts": [np.str_("x"), np.bytes_(b"y")],
    "records": np.array([("hall", 20.5), ("bath", np.nan)], dtype=Reading),
    "masked": [np.ma.array([1, 2], mask=[False, True]), np.ma.masked, np.ma.array([1.5, 2.5])],
    "objects": np.array([{"a": np.int32(1)}, None, (1, np.array([2]))], dtype=object),
    "matrix": np.asmatrix([[1, 2], [3, 4]]),
    np.int64(5): {np.float64(1.5): np.array([1])},
}
#> value: {"arrays": [[[0, 1, 2], [3, 4, 5]], 3, [], [[true], [false]], ["a", "bc"]], "floats": [[1.5, null, null], 0.5, null, 2.5, 0.25], "integers": [-1, 18446744073709551615, 7, true, [9223372036854775808]], "complex": ["(1+2j)", ["1j"]], "times": ["2024-05-01T10:30", null, ["2024-05-01"], 5400.0, 2], "texts": ["x", "y"], "records": [{"room": "hall", "degrees": 20.5}, {"room": "bath", "degrees": null}], "masked": [[1, null], null, [1.5, 2.5]], "objects": [{"a": 1}, null, [1, [2]]], "matrix": [[1, 2], [3, 4]], "5": {"1.5": [1]}}
#> repr: false
#> host: "needs numpy"
