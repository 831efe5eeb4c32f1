# As at CPython's exit: remaining objects are destroyed while all global names still exist.
word = "bye"


class Lamp:
    def __init__(self, name):
        self.name = name
        self.itself = self

    def __del__(self):
        print(word, self.name)


def steps():
    try:
        yield 1
        yield 2
    finally:
        print("steps closed")


lamp = Lamp("hall")
running = steps()
next(running)
print("end")
{"lamp": lamp.name}
#> value: {"lamp": "hall"}
#> stdout: "end\nbye hall\nsteps closed\n"
#> host: "here the interpreter does not end with the program"
