# When a name is rebound, a value dropped or an operand consumed, objects are finalised at once and in order.
ends = []


class Thing:
    slot = None

    def __init__(self, name):
        self.name = name
        self.itself = self.name, [name]

    def __del__(self):
        ends.append(self.name)
        garbage = [[number] for number in range(2000)]
        for item in garbage:
            item.append(item)


def compare(round):
    return Thing(f"{round} left") is Thing(f"{round} right")


def bind(round):
    a = Thing(f"{round} first")
    a = b = Thing(f"{round} second")
    a, b = Thing(f"{round} third"), Thing(f"{round} fourth")
    ends.append(f"{round} bound")
    a, b = 1.5 * round, 2.5 * round
    ends.append(f"{round} bound again")
    return a + b


def replace(round):
    things = [Thing(f"{round} item")]
    things[0] = round
    holder = Thing(f"{round} holder")
    holder.slot = Thing(f"{round} slot")
    holder.slot = round
    Thing(f"{round} dropped").name
    (left, right) = (Thing(f"{round} left"), Thing(f"{round} right"))
    for thing in [Thing(f"{round} in a loop")]:
        ends.append(thing.name + " begins")
    del thing
    return holder.slot


for round in range(40):
    compare(round), bind(round), replace(round)
own = [end.removeprefix("39 ") for end in ends if end.startswith("39 ")]
[len(ends), own]
#> value: [640, ["left", "right", "first", "second", "bound", "fourth", "third", "bound again", "item", "slot", "dropped", "in a loop begins", "in a loop", "holder", "left", "right"]]
