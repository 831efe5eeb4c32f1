"""Bank account simulation with an event log, exported to JSON."""
import json
import datetime as dt
from enum import StrEnum
from dataclasses import dataclass, field, is_dataclass, asdict
from typing import Callable, Iterator, Optional


class Kind(StrEnum):
    DEPOSIT = "deposit"
    WITHDRAW = "withdraw"


@dataclass(slots=True)
class Event:
    kind: Kind
    amount: float
    when: dt.datetime = field(default_factory=lambda: dt.datetime(2024, 1, 1, 12, 0))


class InsufficientFunds(Exception):
    """Raised when a withdrawal exceeds the balance."""


class Account:
    def __init__(self, owner: str, on_change: Optional[Callable[[float], None]] = None):
        self.owner = owner
        self.__balance = 0.0
        self.__events: list[Event] = []
        self._on_change = on_change

    @property
    def balance(self) -> float:
        return self.__balance

    def apply(self, event: Event) -> None:
        delta = event.amount if event.kind is Kind.DEPOSIT else -event.amount
        if self.__balance + delta < 0:
            raise InsufficientFunds(f"balance {self.__balance:.2f} < {event.amount:.2f}")
        self.__balance += delta
        self.__events.append(event)
        if self._on_change:
            self._on_change(self.__balance)

    def __iter__(self) -> Iterator[Event]:
        return iter(self.__events)

    def __len__(self) -> int:
        return len(self.__events)


class Encoder(json.JSONEncoder):
    def default(self, o):
        if isinstance(o, (dt.date, dt.datetime)):
            return o.isoformat()
        if is_dataclass(o):
            return asdict(o)
        if isinstance(o, set):
            return sorted(o)
        return super().default(o)


balances = []
acct = Account("Ada", balances.append)
acct.apply(Event(Kind.DEPOSIT, 100))
acct.apply(Event(Kind.WITHDRAW, 30.5))
try:
    acct.apply(Event(Kind.WITHDRAW, 1000))
except InsufficientFunds as e:
    print("refused:", e)
print(balances, len(acct), acct.balance, acct._Account__balance)
try:
    print(acct.__balance)
except AttributeError as e:
    print("private:", e)
print(json.dumps({"owner": acct.owner, "events": list(acct), "tags": {"b", "a"}}, cls=Encoder))
{"owner": acct.owner, "balance": acct.balance, "events": [str(e.kind) for e in acct]}
#> value: {"owner": "Ada", "balance": 69.5, "events": ["deposit", "withdraw"]}
#> stdout: "refused: balance 69.50 < 1000.00\n[100.0, 69.5] 2 69.5 69.5\nprivate: 'Account' object has no attribute '__balance'\n{\"owner\": \"Ada\", \"events\": [{\"kind\": \"deposit\", \"amount\": 100, \"when\": \"2024-01-01T12:00:00\"}, {\"kind\": \"withdraw\", \"amount\": 30.5, \"when\": \"2024-01-01T12:00:00\"}], \"tags\": [\"a\", \"b\"]}\n"
