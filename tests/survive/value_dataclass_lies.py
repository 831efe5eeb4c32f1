from dataclasses import dataclass, field


@dataclass
class Room:
    name: str
    size: int = field(default=1)


@dataclass
class Hall(Room):
    @property
    def name(self):
        raise SystemExit(0)

    @name.setter
    def name(self, value):
        pass


Hall("x")
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["SystemExit"]
