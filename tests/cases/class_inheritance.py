class Device:
    count = 0

    def __init__(self, name, watts=0):
        self.name, self._watts = name, watts
        type(self).count += 1

    @property
    def watts(self):
        return self._watts

    @watts.setter
    def watts(self, value):
        if value < 0:
            raise ValueError("watts cannot be negative")
        self._watts = value

    @classmethod
    def parse(cls, text):
        name, _, watts = text.partition("=")
        return cls(name, int(watts))

    def describe(self):
        return f"{self.name}: {self.watts} W"


class Lamp(Device):
    def describe(self):
        return "lamp " + super().describe()


lamps = [Lamp("hall", 5), Lamp.parse("bath=9")]
lamps[0].watts = 7
try:
    lamps[1].watts = -1
except ValueError as error:
    problem = str(error)
_ = [lamp.describe() for lamp in lamps] + [Lamp.count, Device.count, isinstance(lamps[0], Device), problem]
#> value: ["lamp hall: 7 W", "lamp bath: 9 W", 2, 0, true, "watts cannot be negative"]
