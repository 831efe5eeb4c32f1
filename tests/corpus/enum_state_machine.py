from enum import Enum, Flag, auto, unique


@unique
class State(Enum):
    IDLE = auto()
    RUNNING = auto()
    DONE = auto()

    def next(self):
        members = list(type(self))
        return members[min(members.index(self) + 1, len(members) - 1)]


class Perm(Flag):
    R = auto()
    W = auto()
    X = auto()


state = State.IDLE
trace = [state.name]
while state is not State.DONE:
    state = state.next()
    trace.append(state.name)
print(trace, State["DONE"].value, State(1))
print(Perm.R | Perm.X, (Perm.R | Perm.W) & Perm.W, Perm.W in (Perm.R | Perm.W), bool(Perm(0)))
#> stdout: "['IDLE', 'RUNNING', 'DONE'] 3 State.IDLE\nPerm.R|X Perm.W True False\n"
