# Calls of tools that are not granted never leave, whatever their names and sizes.
import sys

executor = sys.modules["_executor"]
secret = "5ec2e7" * 1000
for tool in (secret, f"data.{secret}", f"{secret}.get_devices", "data.get_devices"):
    try:
        executor.call(('{"tool":"%s","arguments":{"x":"%s"}}' % (tool, secret)).encode())
    except RuntimeError:
        pass
replies = []
while len(replies) < 4 and (more := executor.wait(1_000_000_000)):
    replies += more
[len(replies), all(b"ToolDenied" in reply or b"error" in reply for _, reply in replies)]
#> class: "exfiltration"
#> outcome: ["completed"]
#> value: [4, true]
