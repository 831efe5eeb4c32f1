# Formats that the C code delegates to `_pydecimal`.
from decimal import Decimal

number = Decimal("1234567.891")
texts = [f"{number:_.2f}", f"{Decimal('-0.001'):z.1f}", f"{number:,.1f}", f"{number:_}"]
for wrong in ("#x", "q", ".f", "10_,", "=?"):
    try:
        texts.append(format(number, wrong))
    except ValueError as error:
        texts.append(str(error))
texts
#> value: ["1_234_567.89", "0.0", "1,234,567.9", "1_234_567.891", "invalid format string", "invalid format string", "invalid format string", "invalid format string", "invalid format string"]
#> host: "a CPython of these days"
