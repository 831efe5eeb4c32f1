# `_` as one of several targets marks an unused value.
line = "light.kitchen=on"
name, _, state = line.partition("=")
domain, (_, *_) = name.split(".")[0], name
first = _ = state
for _, letter in enumerate(domain):
    pass
[domain, name, first]
#> value: ["light", "light.kitchen", "on"]
