import itertools


class Rooms(list):
    def __iter__(self):
        return itertools.count()

    def __len__(self):
        return -1


class States(dict):
    def items(self):
        return itertools.repeat((1, 2))

    keys = values = __iter__ = __len__ = items


class Text(str):
    def __str__(self):
        raise ValueError

    __repr__ = encode = __len__ = __str__


[Rooms([1, 2]), States(a=1), Text("text")]
#> class: "host denial of service"
#> outcome: ["completed"]
#> value: [[1, 2], {"a": 1}, "text"]
