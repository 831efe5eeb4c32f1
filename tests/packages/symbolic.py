"""sympy, which takes the size of a C type from `ctypes`."""

import numpy as np
from sympy import Eq, Function, Matrix, cos, dsolve, exp, integrate, lambdify, limit, oo, pi, series, simplify, sin, solve, sqrt, symbols

x = symbols("x")
f = Function("f")
assert simplify(sin(x) ** 2 + cos(x) ** 2) == 1
assert integrate(exp(-(x**2)), (x, -oo, oo)) == sqrt(pi)
assert solve(x**2 - 2, x) == [-sqrt(2), sqrt(2)]
assert str(series(cos(x), x, 0, 6)) == "1 - x**2/2 + x**4/24 + O(x**6)"
assert limit(sin(x) / x, x, 0) == 1
assert Matrix([[1, 2], [3, 4]]).inv() * 2 == Matrix([[-4, 2], [3, -1]])
assert dsolve(f(x).diff(x) - f(x)) == Eq(f(x), symbols("C1") * exp(x))
assert lambdify(x, x**2 + 1, "numpy")(np.arange(3.0)).tolist() == [1, 2, 5]
assert str(pi.evalf(30)) == "3.14159265358979323846264338328"
