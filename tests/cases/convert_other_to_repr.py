class Lamp:
    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return f"Lamp({self.name!r})"


Lamp("kitchen")
#> value: "Lamp('kitchen')"
#> repr: true
