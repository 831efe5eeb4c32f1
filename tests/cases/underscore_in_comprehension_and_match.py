sizes = [len("lamp") for _ in range(2)]
match sizes:
    case [first, _]:
        first
    case _:
        "something else"
#> value: 4
