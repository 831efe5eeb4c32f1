import os

read, written = {}, []
for number in range(100):
    try:
        read[number] = os.read(number, 10_000)
    except OSError:
        pass
    try:
        written += [number] if os.write(number, b"%d," % number) else []
    except OSError:
        pass
    for act in (os.fstat, os.isatty, os.ftruncate, os.fsync, os.get_inheritable):
        try:
            act(number, 0) if act is os.ftruncate else act(number)
        except (OSError, AttributeError):
            pass
[read, written]
#> class: "host leak"
#> outcome: ["completed"]
#> value: [{"0": ""}, [1, 2]]
#> stdout_starts: "1,"
