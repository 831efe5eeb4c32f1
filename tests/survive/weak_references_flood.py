import weakref


class Thing:
    pass


def gone(ref):
    things.append(Thing())
    refs.append(weakref.ref(things[-1], gone))


things, refs = [Thing()], []
for _ in range(100_000):
    refs.append(weakref.ref(things[0], lambda _: None))
weakref.finalize(things[0], lambda: 1 / 0)
refs.append(weakref.ref(things[0], gone))
del things[0]
len(refs) > 100_000
#> class: "self denial of service"
#> outcome: ["completed", "memory_limit", "cpu_limit"]
