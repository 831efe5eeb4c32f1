class Base:
    def steps(self):
        return ["base"]


class Left(Base):
    def steps(self):
        return ["left", *super().steps()]


class Right(Base):
    def steps(self):
        return ["right", *super().steps()]


class Both(Left, Right):
    def steps(self):
        return ["both", *super().steps()]


Both().steps()
#> value: ["both", "left", "right", "base"]
