def total():
    return sum(map(int, input.split()))


total(), dir["home"]
#> context: {"input": "1 2 3", "dir": {"home": "/home"}}
#> value: [6, "/home"]
