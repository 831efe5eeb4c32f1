"""Time zones without a file system: `zoneinfo` reads tables that are frozen into the interpreter (module `_tzdata`)."""

import io
import zoneinfo
from zoneinfo import _common, _tzpath

import _tzdata


def load_tzdata(key):
    """Replaces `zoneinfo._common.load_tzdata`. Returns an open file of the zone's table."""
    try:
        return io.BytesIO(_tzdata.load(key))
    except KeyError:
        raise _common.ZoneInfoNotFoundError(f"No time zone found with key {key}") from None


def available_timezones():
    """Returns the names of all time zones, as a new set."""
    return set(_tzdata.KEYS)


def install():
    """Makes `zoneinfo` use the frozen tables."""
    zoneinfo.reset_tzpath(())
    _common.load_tzdata = load_tzdata
    _tzpath.available_timezones = zoneinfo.available_timezones = available_timezones
