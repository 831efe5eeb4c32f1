21.5


class Room:
    "A room is no value."
    99


def notify():
    98


notify()
[97 for _ in range(3)] and None
#> value: 21.5
