import logging
from abc import ABC, abstractmethod
from decimal import Decimal

logging.basicConfig(format="%(levelname)s:%(message)s")


class InsufficientFunds(Exception):
    def __init__(self, needed, available):
        super().__init__(f"needed {needed}, available {available}")
        self.needed = needed


class Account(ABC):
    def __init__(self, owner, balance=0):
        self.owner, self.balance = owner, Decimal(balance)
        self.log = logging.getLogger(f"{self.__module__}.{self.__class__.__name__}")

    @abstractmethod
    def fee(self, amount): ...

    def withdraw(self, amount):
        total = Decimal(amount) + self.fee(amount)
        if total > self.balance:
            self.log.error("%s cannot withdraw %s", self.owner, amount)
            raise InsufficientFunds(total, self.balance)
        self.balance -= total
        return self.balance


class Checking(Account):
    def fee(self, amount):
        return Decimal("0.50")


account = Checking("ann", 100)
print(account.withdraw(20), account.log.name)
try:
    account.withdraw(80)
except InsufficientFunds as error:
    print(error, error.needed)
try:
    Account("x")
except TypeError as error:
    print(str(error)[:41])
#> stdout: "79.50 __main__.Checking\nneeded 80.50, available 79.50 80.50\nCan't instantiate abstract class Account \n"
