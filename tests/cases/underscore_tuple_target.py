domain, _, name = "light.kitchen".partition(".")
_, name = name, domain
#> value: "kitchen"
