import os
import pathlib

left = []
for path in ("left.txt", "/tmp/left.txt", "/dev/shm/left", "../left.txt", "/proc/self/fd/1", "/proc/self/comm"):
    for act in (lambda: open(path, "w").write("secret"), lambda: os.open(path, os.O_WRONLY | os.O_CREAT), lambda: pathlib.Path(path).write_text("secret"), lambda: os.symlink("/etc/passwd", path), lambda: os.link("host-canary.txt", path), lambda: os.rename("host-canary.txt", path), lambda: os.mkdir(path), lambda: os.utime(path)):
        try:
            left.append(str(act()))
        except Exception:
            pass
left
#> class: "exfiltration"
#> outcome: ["completed"]
