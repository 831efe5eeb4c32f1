caught = []


class Meta(type):
    def __instancecheck__(cls, thing):
        caught.append(type(thing).__name__)
        return True

    def __call__(cls, *args):
        return type.__call__(cls)


Made = Meta("Made", (), {"__setattr__": lambda self, name, value: caught.append(name), "mro": 1})
Made().anything = 1
isinstance(caught, Made)
names = [base.__name__ for base in type(caught).mro()]
subclasses = getattr(type(caught).mro()[-1], "__sub" + "classes__")()
len(subclasses) > 100
#> class: "escape"
#> outcome: ["completed"]
#> value: true
#> guarded_error: "AttributeError: Attribute '__subclasses__' is not allowed in sandbox"
