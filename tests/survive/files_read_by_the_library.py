import gzip
import importlib.machinery
import linecache
import shutil
import tokenize
import zoneinfo

zoneinfo.reset_tzpath(to=["/etc", "/proc/self"])
found = []
for act in (
    lambda: linecache.getlines("/etc/passwd"),
    lambda: tokenize.open("/etc/passwd").read(),
    lambda: importlib.machinery.SourceFileLoader("x", "/etc/passwd").get_data("/etc/passwd"),
    lambda: importlib.machinery.SourcelessFileLoader("x", "host-canary.txt").get_code("x"),
    lambda: importlib.machinery.PathFinder.find_spec("host-canary", ["/", ".", "/proc/self/cwd"]),
    lambda: zoneinfo.ZoneInfo("passwd"),
    lambda: zoneinfo.ZoneInfo("../host-canary.txt"),
    lambda: gzip.open("host-canary.txt").read(),
    lambda: shutil.copy("/etc/passwd", "/dev/stdout"),
    lambda: shutil.disk_usage("/"),
):
    try:
        found.append(act() or None)
    except Exception:
        found.append(None)
[each for each in found if each]
#> class: "host leak"
#> outcome: ["completed"]
#> value: []
