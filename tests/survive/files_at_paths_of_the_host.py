import os

found = []
for path in ["/etc/passwd", "/proc/self/environ", "/proc/1/cmdline", "/sys", "/dev/null", "/home", "/root", "..",
             "/work/../../../../etc/shadow", "//etc/hosts", "/./proc/../etc/hostname", "/tmp/../../var/run"]:
    try:
        found.append((path, os.listdir(path) if os.path.isdir(path) else open(path).read()))
    except OSError:
        pass
for descriptor in range(3, 100):
    try:
        os.fstat(descriptor)
        os.read(descriptor, 1)
        found.append(descriptor)
    except OSError:
        pass
found
#> class: "host leak"
#> outcome: ["completed"]
#> value: [["..", ["tmp", "work", "packages"]]]
