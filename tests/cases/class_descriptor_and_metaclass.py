class Percent:
    def __set_name__(self, owner, name):
        self.name = "_" + name

    def __get__(self, instance, owner=None):
        return self if instance is None else getattr(instance, self.name, 0)

    def __set__(self, instance, value):
        setattr(instance, self.name, max(0, min(100, value)))


class Registered(type):
    names = []

    def __new__(meta, name, bases, namespace):
        meta.names.append(name)
        return super().__new__(meta, name, bases, namespace)


class Lamp(metaclass=Registered):
    brightness = Percent()


lamp = Lamp()
lamp.brightness = 250
[lamp.brightness, Lamp().brightness, Registered.names]
#> value: [100, 0, ["Lamp"]]
