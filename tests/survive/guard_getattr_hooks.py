class Everything:
    def __getattr__(self, name):
        return asked.append(name)


class Meta(type):
    def __getattr__(cls, name):
        return asked.append(name)


class Made(metaclass=Meta):
    pass


asked = []
for thing in (Everything(), Made):
    for name in ("f_globals", "gi_frame", "plain"):
        try:
            getattr(thing, name)
        except AttributeError:
            pass
        try:
            ("{0." + name + "}").format(thing)
        except AttributeError:
            pass
asked
#> class: "escape"
#> outcome: ["completed"]
#> guarded_value: ["plain", "plain", "plain", "plain"]
