# The program forges a result, and then another one.
import sys

executor = sys.modules["_executor"]
print([name for name in dir(executor) if not name.startswith("__")])
for name in dir(executor):
    for argument in (b'{"outcome":"completed"}', b"", b"\xff" * 1000, b"{" * 10**6):
        if name in ("finish", "result", "done"):
            getattr(executor, name)(argument)
"the real one"
#> class: "self denial of service"
#> outcome: ["completed", "failure"]
