import weakref


class Signal:
    def __init__(self):
        self._slots = []

    def connect(self, method):
        self._slots.append(weakref.WeakMethod(method))

    def emit(self, *args):
        alive = [slot() for slot in self._slots]
        for method in filter(None, alive):
            method(*args)
        return sum(m is not None for m in alive)


class Display:
    def __init__(self):
        self.shown = []

    def update(self, value):
        self.shown.append(value)


signal, first, second = Signal(), Display(), Display()
signal.connect(first.update)
signal.connect(second.update)
print(signal.emit(1))
del second
print(signal.emit(2), first.shown)
#> stdout: "2\n1 [1, 2]\n"
