from decimal import Decimal
from fractions import Fraction

[True, 1, 1.0, -0.5, 1e300, Decimal("0.10"), Fraction(2, 6), 1 + 2j, b"abc"]
#> value: [true, 1, 1.0, -0.5, 1e300, "0.10", "1/3", "(1+2j)", "abc"]
#> repr: false
