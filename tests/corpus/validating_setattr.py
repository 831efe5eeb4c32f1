class Positive:
    def __init__(self, **fields):
        for name, value in fields.items():
            setattr(self, name, value)

    def __setattr__(self, name, value):
        if not name.startswith("_") and value <= 0:
            raise ValueError(f"{name} must be positive, got {value!r}")
        super().__setattr__(name, value)

    def __delattr__(self, name):
        print("deleting", name)
        super().__delattr__(name)


p = Positive(width=3)
p.height = 4
try:
    p.height = -1
except ValueError as e:
    print(e)
print(p.width * p.height)
del p.width
print(hasattr(p, "width"))
#> stdout: "height must be positive, got -1\n12\ndeleting width\nFalse\n"
