class Shape:
    def __init__(self, **sizes):
        self.sizes = sizes

    def area(self):
        raise NotImplementedError(f"{self.__class__.__name__} has no area")

    def __repr__(self):
        inner = ", ".join(f"{k}={v}" for k, v in self.sizes.items())
        return f"{self.__class__.__name__}({inner})"


class Square(Shape):
    def area(self):
        return self.sizes["side"] ** 2


class Blob(Shape):
    pass


for shape in (Square(side=3), Blob(mass=1)):
    try:
        print(shape, shape.area())
    except NotImplementedError as error:
        print(f"{error.__class__.__qualname__}: {error}")
print("{0.__class__.__name__}".format(Square(side=1)))
#> stdout: "Square(side=3) 9\nNotImplementedError: Blob has no area\nSquare\n"
