from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

berlin = ZoneInfo("Europe/Berlin")
before = datetime(2025, 3, 30, 1, 30, tzinfo=berlin)
absolute = (before.astimezone(UTC) + timedelta(hours=1)).astimezone(berlin)
twice = [datetime(2025, 10, 26, 2, 30, tzinfo=berlin, fold=fold).utcoffset() for fold in (0, 1)]
try:
    ZoneInfo("Europe/Atlantis")
except ZoneInfoNotFoundError as error:
    print(type(error).__name__)
[before, absolute, absolute.dst(), twice, datetime(2030, 7, 1, tzinfo=ZoneInfo("America/New_York")).tzname(), str(berlin)]
#> value: ["2025-03-30T01:30:00+01:00", "2025-03-30T03:30:00+02:00", 3600.0, [7200.0, 3600.0], "EDT", "Europe/Berlin"]
#> stdout: "ZoneInfoNotFoundError\n"
#> host: "the time zone tables are in the interpreter"
