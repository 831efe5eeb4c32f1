import io
import os
import pathlib

paths = ["/etc/passwd", "/proc/self/environ", "/proc/self/maps", "/proc/self/mem", "/proc/self/cwd/host-canary.txt", "/proc/1/root/etc/passwd", "/dev/mem", "/dev/stdin", "/sys/kernel", "host-canary.txt", "./host-canary.txt", "../host-canary.txt", "../" * 30 + "etc/passwd", "", ".", "/", "//etc/passwd", "/etc/passwd\0.txt", "file:///etc/passwd"]
refused = 0
for path in paths:
    for act in (open, io.FileIO, lambda path: os.open(path, os.O_RDONLY), os.listdir, os.scandir, os.stat, os.readlink, lambda path: pathlib.Path(path).read_bytes(), lambda path: open(path, "w"), os.mkdir, os.unlink):
        try:
            print(act(path))
        except (OSError, ValueError, AttributeError):
            refused += 1
refused == len(paths) * 11
#> class: "host leak"
#> outcome: ["completed"]
