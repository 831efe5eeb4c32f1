found = []
for name in ("ctypes", "_ctypes", "cffi", "mmap", "fcntl", "resource", "_posixsubprocess", "multiprocessing", "_multiprocessing", "_testcapi", "_testinternalcapi", "_ssl", "readline", "pty", "termios", "syslog", "pwd", "grp", "venv", "ensurepip", "pip", "nt", "winreg"):
    try:
        __import__(name)
        found.append(name)
    except ImportError:
        pass
found
#> class: "escape"
#> outcome: ["completed"]
#> value: []
