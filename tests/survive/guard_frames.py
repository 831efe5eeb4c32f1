import asyncio


async def coroutine():
    pass


async def agenerator():
    yield


def attempt(thing, name):
    try:
        return type(getattr(thing, name)).__name__
    except AttributeError as error:
        return str(error)


waiting = coroutine()
_ = [
    attempt((each for each in ()), "gi_frame"),
    attempt((each for each in ()), "gi_code"),
    attempt(waiting, "cr_frame"),
    attempt(agenerator(), "ag_frame"),
    attempt(agenerator(), "ag_code"),
    *(attempt(asyncio.current_task().get_stack()[0], name) for name in ("f_globals", "f_back", "f_builtins", "f_code")),
]
await waiting
#> class: "escape"
#> outcome: ["completed"]
#> guarded_value: ["Attribute 'gi_frame' is not allowed in sandbox", "Attribute 'gi_code' is not allowed in sandbox", "Attribute 'cr_frame' is not allowed in sandbox", "Attribute 'ag_frame' is not allowed in sandbox", "Attribute 'ag_code' is not allowed in sandbox", "Attribute 'f_globals' is not allowed in sandbox", "Attribute 'f_back' is not allowed in sandbox", "Attribute 'f_builtins' is not allowed in sandbox", "Attribute 'f_code' is not allowed in sandbox"]
