from collections import UserDict


class Celsius(float):
    pass


class Rooms(list):
    pass


class Registry(dict):
    pass


class Name(str):
    pass


[Celsius(21.5), Rooms([1]), Registry(a=Name("x")), UserDict(b=2)]
#> value: [21.5, [1], {"a": "x"}, {"b": 2}]
