from decimal import ROUND_HALF_UP, Decimal, getcontext, localcontext

lines = [("Widget", 3, "19.99"), ("Gadget", 1, "5.005"), ("Fee", 10, "0.1")]
cent = Decimal("0.01")
subtotal = sum(Decimal(price) * count for _, count, price in lines)
vat = (subtotal * Decimal("0.19")).quantize(cent, rounding=ROUND_HALF_UP)
print(f"{subtotal:>10,.2f}|{vat:>10}|{subtotal + vat:,.2f}")
with localcontext() as context:
    context.prec = 5
    print(Decimal(1) / Decimal(7), Decimal(2).sqrt())
print(getcontext().prec, f"{Decimal('1234567.891'):,.1f}", f"{Decimal('-0.00'):z.1f}", Decimal("1e3").normalize())
#> stdout: "     65.98|     12.54|78.52\n0.14286 1.4142\n28 1,234,567.9 0.0 1E+3\n"
