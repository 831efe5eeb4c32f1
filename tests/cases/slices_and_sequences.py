values = list(range(10))
values[2:5] = ["x"]
del values[::4]
matrix = [[1, 2], [3, 4]]
matrix[0][:], matrix[1][1:] = matrix[1][:1], [9, 9]
[values, values[::-2], "thermostat"[-4:-1], (1, 2) < (1, 3), [1] * 3 + [2], matrix, list(reversed("ab")), list(enumerate("ab", 1)), any([]), all([])]
#> value: [[1, "x", 5, 7, 8, 9], [9, 7, "x"], "sta", true, [1, 1, 1, 2], [[3], [3, 9, 9]], ["b", "a"], [[1, "a"], [2, "b"]], false, true]
