_ = ["done"]
if _:
    raise SystemExit
_ = ["not reached"]
#> value: ["done"]
