# Follows every chain of attributes and items from `modules`, and reports those that reach a module that is not allowed.


def parts_of(thing):
    if isinstance(thing, dict):
        yield from ((f"[{key!r:.50}]", value) for key, value in list(thing.items()))
    if isinstance(thing, (list, tuple, set, frozenset)):
        yield from ((f"[{number}]", value) for number, value in enumerate(list(thing)))
    for name in names.get(kind_of(thing), ()):
        try:
            yield "." + name, getattr(thing, name)
        except Exception:
            pass


def is_allowed(name):
    return any(f"{name}.".startswith(f"{each}.") or each.startswith(f"{name}.") for each in allowed)


paths, met, seen, kept = [], [], set(), []
todo = [(0, name, module) for name, module in modules.items()]
while todo:
    hops, path, thing = todo.pop()
    if id(thing) in seen or hops > HOPS_MAX or isinstance(thing, LEAVES):
        continue
    seen.add(id(thing))
    kept.append(thing)
    if isinstance(thing, types.ModuleType):
        if not is_allowed(thing.__name__):
            paths.append(f"{path} is {thing.__name__}")
            continue
        met.append(thing.__name__)
    todo += ((hops + 1, path + step, part) for step, part in parts_of(thing))
_ = {"paths": sorted(paths), "met": met, "visited": len(kept)}
