"""Time zones without a file system: `zoneinfo` reads the tables frozen into the interpreter as module `_tzdata`."""

import io
import zoneinfo
from zoneinfo import _common, _tzpath

import _tzdata


def load_tzdata(key):
    """Takes the place of `zoneinfo._common.load_tzdata`: an open file of the zone's table."""
    try:
        return io.BytesIO(_tzdata.load(key))
    except KeyError:
        raise _common.ZoneInfoNotFoundError(f"No time zone found with key {key}") from None


def available_timezones():
    """Returns the names of all time zones, as a new set."""
    return set(_tzdata.KEYS)


def install():
    """Makes `ZoneInfo("Europe/Berlin")` work."""
    zoneinfo.reset_tzpath(())
    _common.load_tzdata = load_tzdata
    _tzpath.available_timezones = zoneinfo.available_timezones = available_timezones
