from contextlib import ExitStack, closing, contextmanager, suppress

log = []


@contextmanager
def scene(name):
    log.append(f"{name} on")
    try:
        yield name.upper()
    except ValueError as error:
        log.append(f"{name} caught {error}")
    finally:
        log.append(f"{name} off")


class Lamp:
    def close(self):
        log.append("closed")


with scene("evening") as label, closing(Lamp()):
    log.append(label)
    raise ValueError("too dark")
with ExitStack() as stack, suppress(KeyError):
    for name in "ab":
        stack.enter_context(scene(name))
    {}["x"]
log
#> value: ["evening on", "EVENING", "closed", "evening caught too dark", "evening off", "a on", "b on", "b off", "a off"]
