from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal, DivisionByZero, localcontext

price, used = Decimal("0.3127"), Decimal("123.4")
cost = (price * used).quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)
with localcontext() as context:
    context.prec = 30
    third = Decimal(1) / 3
try:
    Decimal(1) / 0
except DivisionByZero as error:
    print(type(error).__name__)
[cost, third, Decimal("0.1") + Decimal("0.2") == Decimal("0.3"), Decimal("2.5").quantize(Decimal(1), ROUND_HALF_EVEN), Decimal(2).sqrt()]
#> value: ["38.59", "0.333333333333333333333333333333", true, "2", "1.414213562373095048801688724"]
#> stdout: "DivisionByZero\n"
