class Door:
    """A state machine with methods that are called like builtins."""

    def __init__(self):
        self.state = "closed"
        self.history = []

    def open(self, key=None):
        if self.state == "locked" and key != 42:
            raise PermissionError("locked")
        self._go("open")

    def close(self):
        self._go("closed")

    def exit(self):
        return self.history[-1]

    def help(self):
        return "open, close, lock"

    def _go(self, state):
        self.history.append((self.state, state))
        self.state = state


door = Door()
door.open()
door.close()
door.state = "locked"
try:
    door.open(key=1)
except PermissionError as e:
    print("error:", e)
door.open(key=42)
print(door.exit(), door.help(), len(door.history))
#> stdout: "error: locked\n('locked', 'open') open, close, lock 3\n"
