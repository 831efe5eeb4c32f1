class Changes:
    def __eq__(self, other):
        things.clear()
        return True

    __hash__ = int.__hash__ if False else lambda self: 1

    def __lt__(self, other):
        things.clear()
        return True

    def __repr__(self):
        things.clear()
        return "x"

    def __index__(self):
        things.clear()
        return 3


for kind in (list, dict.fromkeys, set):
    for act in (lambda: Changes() in things, lambda: repr(things), lambda: things == kind([Changes()] * 1), lambda: things.sort(), lambda: things.index(1), lambda: things.__setitem__(slice(0, Changes()), [1]), lambda: things | {Changes()}):
        things = kind([Changes(), 1, 2, 3])
        try:
            act()
        except Exception:
            pass
"alive"
#> class: "escape"
#> outcome: ["completed"]
#> value: "alive"
