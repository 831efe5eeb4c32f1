class Matrix:
    def __init__(self, rows):
        self.rows = [list(map(float, row)) for row in rows]

    @classmethod
    def identity(cls, n):
        return cls([[1.0 if i == j else 0.0 for j in range(n)] for i in range(n)])

    def __matmul__(self, other):
        columns = list(zip(*other.rows))
        return Matrix([[sum(a * b for a, b in zip(row, col)) for col in columns] for row in self.rows])

    def __pow__(self, n):
        result, base = Matrix.identity(len(self.rows)), self
        while n:
            if n & 1:
                result = result @ base
            base, n = base @ base, n >> 1
        return result

    def determinant(self):
        rows, det = [row[:] for row in self.rows], 1.0
        for i in range(len(rows)):
            pivot = max(range(i, len(rows)), key=lambda r: abs(rows[r][i]))
            if rows[pivot][i] == 0:
                return 0.0
            if pivot != i:
                rows[i], rows[pivot], det = rows[pivot], rows[i], -det
            det *= rows[i][i]
            for r in range(i + 1, len(rows)):
                factor = rows[r][i] / rows[i][i]
                rows[r] = [x - factor * y for x, y in zip(rows[r], rows[i])]
        return det

    def __repr__(self):
        return f"{type(self).__name__}({self.rows!r})"


print(Matrix([[1, 1], [1, 0]]) ** 10, round(Matrix([[2, 1, 3], [0, 4, 1], [5, 2, 1]]).determinant(), 6))
#> stdout: "Matrix([[89.0, 55.0], [55.0, 34.0]]) -51.0\n"
