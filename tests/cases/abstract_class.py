from abc import ABC, abstractmethod


class Sensor(ABC):
    @property
    @abstractmethod
    def unit(self): ...

    @abstractmethod
    def read(self): ...


class Thermometer(Sensor):
    unit = "°C"

    def read(self):
        return 21.5


try:
    Sensor()
except TypeError as error:
    print("Can't instantiate" in str(error))
sensor = Thermometer()
f"{sensor.read()} {sensor.unit}"
#> value: "21.5 °C"
#> stdout: "True\n"
