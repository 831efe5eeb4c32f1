import contextlib

with contextlib.nullcontext("lamp") as name, contextlib.suppress(KeyError):
    name + "!"
    {}["missing"]
    "never reached"
#> value: "lamp!"
