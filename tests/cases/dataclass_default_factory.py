from dataclasses import asdict, dataclass, field, fields


@dataclass
class Room:
    name: str
    devices: list[str] = field(default_factory=list)
    secret: str = field(default="", repr=False, compare=False)


hall, bath = Room("hall"), Room("bath", secret="x")
hall.devices.append("lamp")
[asdict(hall), bath.devices, repr(bath), bath == Room("bath"), [f.name for f in fields(Room)]]
#> value: [{"name": "hall", "devices": ["lamp"], "secret": ""}, [], "Room(name='bath', devices=[])", true, ["name", "devices", "secret"]]
