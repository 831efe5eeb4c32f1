"""Classes with methods, properties and inheritance: a simulated house."""

from dataclasses import dataclass


@dataclass
class Room:
    name: str
    temperature: float
    heating: bool = False

    @property
    def is_cold(self):
        return self.temperature < 20.0

    def step(self, outside):
        self.heating = self.is_cold
        self.temperature += (0.3 if self.heating else 0.0) - self.loss(outside)
        return self.heating

    def loss(self, outside):
        return (self.temperature - outside) * 0.01


class Cellar(Room):
    def loss(self, outside):
        return super().loss(outside) / 2


rooms = [(Cellar if n % 4 == 0 else Room)(f"room {n}", 18.0 + n / 10) for n in range(40)]
heated = 0
for minute in range(1_500):
    for room in rooms:
        heated += room.step(5.0)
heated
