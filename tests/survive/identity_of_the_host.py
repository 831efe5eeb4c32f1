import os

told = {}
for name in ("uname", "getpid", "getppid", "getuid", "getgid", "getlogin", "cpu_count", "getloadavg", "times", "getcwd", "get_terminal_size", "ctermid", "confstr_names", "sysconf"):
    try:
        told[name] = str(getattr(os, name)())
    except (AttributeError, OSError, TypeError) as error:
        told[name] = type(error).__name__
print(told)
told.get("uname", "")
#> class: "host leak"
#> outcome: ["completed"]
