from datetime import UTC, date, datetime, timedelta, timezone

night = datetime(2024, 2, 28, 23, 30, tzinfo=UTC)
later = night + timedelta(hours=25)
tokyo = later.astimezone(timezone(timedelta(hours=9), "JST"))
[
    later, tokyo, tokyo == later, tokyo.tzname(), (date(2025, 1, 1) - date(2024, 1, 1)).days, later.strftime("%A %j"),
    timedelta(minutes=90) / timedelta(hours=1),
    datetime.fromisoformat("2025-03-09T07:05:00Z").timestamp(), date.fromisocalendar(2025, 1, 1), later.isoweekday(),
]
#> value: ["2024-03-01T00:30:00+00:00", "2024-03-01T09:30:00+09:00", true, "JST", 366, "Friday 061", 1.5, 1741503900.0, "2024-12-30", 5]
