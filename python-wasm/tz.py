"""Writes the module _tzdata, which contains the time zones of PyPI's tzdata package.

usage: tz.py TZDATA OUT.PY

TZDATA is the directory of the unpacked package.
"""

import sys
from pathlib import Path

MODULE = '''\
"""The IANA time zones {version}, as compiled for PyPI's tzdata."""

VERSION = {version!r}
_INDEX = {index!r}
_DATA = {data!r}
KEYS = tuple(_INDEX)


def load(key):
    """The TZif data of a zone; KeyError when there is no such zone."""
    start, end = _INDEX[key]
    return _DATA[start:end]
'''


def main(tzdata, out):
    tzdata = Path(tzdata)
    data, index, places = bytearray(), {}, {}
    for key in sorted(tzdata.joinpath("zones").read_text().split()):
        zone = tzdata.joinpath("zoneinfo", *key.split("/")).read_bytes()
        if zone not in places:  # many names share one zone
            places[zone] = (len(data), len(data) + len(zone))
            data += zone
        index[key] = places[zone]
    version = next(
        line.partition('"')[2].rstrip('"\n')
        for line in tzdata.joinpath("__init__.py").read_text().splitlines()
        if line.startswith("IANA_VERSION")
    )
    Path(out).write_text(MODULE.format(version=version, index=index, data=bytes(data)))


main(*sys.argv[1:])
