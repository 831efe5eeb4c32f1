import copy
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Reading:
    room: str
    value: float


[copy.replace(Reading("hall", 1.0), value=2.0), copy.replace(date(2025, 3, 9), day=1)]
#> value: [{"room": "hall", "value": 2.0}, "2025-03-01"]
#> host: "needs Python 3.13"
