_: dict[str, float] = {"kitchen": 21.5}
"later"
#> value: {"kitchen": 21.5}
