"""Packages that read, check, group and print data."""

from datetime import datetime

import attrs
import dateutil.parser
import dateutil.rrule
import more_itertools
import networkx
import yaml
from pydantic import BaseModel, ValidationError
from tabulate import tabulate


class Room(BaseModel):
    name: str
    degrees: float


@attrs.define
class Door:
    width: int = attrs.field(validator=attrs.validators.gt(0))


rooms = yaml.safe_load("- {name: hall, degrees: 19.5}\n- {name: bath, degrees: '23'}\n")
assert [Room(**room).degrees for room in rooms] == [19.5, 23.0]
try:
    Room(name="attic", degrees="warm")
except ValidationError as error:
    assert error.errors()[0]["loc"] == ("degrees",)
try:
    Door(0)
except ValueError:
    pass
assert yaml.safe_load(yaml.safe_dump(rooms)) == rooms
assert tabulate(rooms, headers="keys").splitlines()[2].split() == ["hall", "19.5"]
assert dateutil.parser.parse("1 May 2024 08:30") == datetime(2024, 5, 1, 8, 30)
assert dateutil.rrule.rrule(dateutil.rrule.DAILY, count=3, dtstart=datetime(2024, 2, 28))[2] == datetime(2024, 3, 1)
assert list(more_itertools.chunked("abcde", 2)) == [["a", "b"], ["c", "d"], ["e"]]
assert networkx.shortest_path(networkx.cycle_graph(6), 0, 4) == [0, 5, 4]
