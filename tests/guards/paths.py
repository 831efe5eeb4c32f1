# Follows every chain of attributes, items and default values of parameters from `modules` and from `instances()`. Reports
# those that reach a module that is not allowed, a refused builtin or a frame.


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
    if callable(thing):
        try:
            yield "()", [parameter.default for parameter in inspect.signature(thing).parameters.values()]
        except Exception:
            pass


REFUSED_BUILTINS = [f"builtins.{name}" for name in refused] + ["_io.open"]


def is_internal(thing):
    is_builtin = isinstance(thing, types.BuiltinFunctionType)
    return isinstance(thing, types.FrameType) or (is_builtin and f"{thing.__module__}.{thing.__name__}" in REFUSED_BUILTINS)


def is_allowed(name):
    return any(f"{name}.".startswith(f"{each}.") or each.startswith(f"{name}.") for each in allowed)


paths, met, seen, kept = [], [], set(), []
todo = [(0, name, module) for name, module in modules.items()] + [(0, name, things) for name, things in instances().items()]
while todo:
    hops, path, thing = todo.pop()
    if is_internal(thing):
        paths.append(f"{path} is {thing!r:.50}")
        continue
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
