import sys
import traceback


class Emitter:
    def __init__(self):
        self.handlers = {}

    def on(self, event):
        def add(handler):
            self.handlers.setdefault(event, []).append(handler)
            return handler

        return add

    def emit(self, event, *args):
        for handler in self.handlers.get(event, []):
            try:
                handler(*args)
            except Exception:
                kind, value, tb = traceback.format_exc().splitlines()[-1].partition(": ")[::1]
                print("handler failed:", kind, tb)
                traceback.print_exc(file=sys.stderr)


emitter = Emitter()


@emitter.on("save")
def first(name):
    print("saving", name)


@emitter.on("save")
def second(name):
    raise OSError(f"disk full for {name}")


emitter.emit("save", "a.txt")
#> stdout: "saving a.txt\nhandler failed: OSError disk full for a.txt\n"
