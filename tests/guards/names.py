# Runs without validator and guards. Collects, for each kind of object, the names of all attributes that a program could
# spell, over all objects reachable from the modules in `allowed`.


def parts_of(thing):
    if isinstance(thing, dict):
        yield from list(thing.values())
    if isinstance(thing, (list, tuple, set, frozenset)):
        yield from list(thing)
    for name in set(dir(thing)).difference(refused):
        names.setdefault(kind_of(thing), set()).add(name)
        try:
            yield getattr(thing, name)
        except Exception:
            pass


def is_allowed(name):
    return any(f"{name}.".startswith(f"{each}.") for each in allowed)


names, seen, kept = {}, set(), []
todo = [(0, __import__(name, fromlist=["x"])) for name in allowed] + [(0, thing) for thing in instances().items()]
while todo:
    hops, thing = todo.pop()
    is_other_module = isinstance(thing, types.ModuleType) and not is_allowed(thing.__name__)
    if id(thing) in seen or is_other_module or hops > HOPS_MAX or isinstance(thing, LEAVES):
        continue
    seen.add(id(thing))
    kept.append(thing)
    todo += ((hops + 1, part) for part in parts_of(thing))
names
