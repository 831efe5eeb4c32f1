import math
from fractions import Fraction

[
    sum(Fraction(1, n) for n in range(1, 6)),
    Fraction("0.125").limit_denominator(3),
    Fraction(3.5).as_integer_ratio(),
    math.gcd(84, 36), math.lcm(4, 6), math.comb(10, 3), math.isqrt(99), math.isclose(0.1 + 0.2, 0.3),
    pow(7, -1, 31), divmod(-7, 3), round(2.5), round(-1.005, 2), math.hypot(3, 4), math.fsum([0.1] * 10),
]
#> value: ["137/60", "0", [7, 2], 12, 12, 120, 9, true, 9, [-3, 2], 2, -1.0, 5.0, 1.0]
