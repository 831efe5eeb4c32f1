from functools import total_ordering


@total_ordering
class Money:
    rates = {"EUR": 1.0, "USD": 1.25}

    def __init__(self, amount, currency="EUR"):
        self.amount, self.currency = amount, currency

    def to(self, currency):
        return Money(self.amount / self.rates[self.currency] * self.rates[currency], currency)

    def __eq__(self, other):
        return abs(self.to("EUR").amount - other.to("EUR").amount) < 1e-9

    def __lt__(self, other):
        return self.to("EUR").amount < other.to("EUR").amount

    def __add__(self, other):
        return type(self)(self.amount + other.to(self.currency).amount, self.currency)

    __radd__ = lambda self, other: self if other == 0 else self + other

    def __format__(self, spec):
        return f"{self.amount:{spec or '.2f'}} {self.currency}"


wallet = [Money(10), Money(5, "USD"), Money(2.5)]
print(f"{sum(wallet)} {max(wallet):.1f} {Money(1) == Money(1.25, 'USD')}", sorted(wallet)[0].amount)
#> stdout: "16.50 EUR 10.0 EUR True 2.5\n"
