import calendar
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo


def business_days(start, n, holidays=()):
    day = start
    while n:
        day += timedelta(days=1)
        if day.weekday() < 5 and day not in holidays:
            n -= 1
    return day


print(business_days(date(2024, 12, 23), 3, {date(2024, 12, 25), date(2024, 12, 26)}))
print(calendar.monthrange(2024, 2), calendar.day_name[date(2024, 2, 29).weekday()])
meeting = datetime(2024, 3, 31, 9, 30, tzinfo=ZoneInfo("Europe/Berlin"))
print(meeting.astimezone(timezone.utc).isoformat(), meeting.strftime("%a %d %b %Y %H:%M %Z"))
print(datetime.strptime("Mar 5 14:02", "%b %d %H:%M").strftime("%m-%d %I:%M %p"))
print((datetime(2024, 3, 1) - datetime(2023, 3, 1)).days, datetime.fromisoformat("2024-01-02T03:04:05Z").timestamp())
#> stdout: "2024-12-30\n(calendar.THURSDAY, 29) Thursday\n2024-03-31T07:30:00+00:00 Sun 31 Mar 2024 09:30 CEST\n03-05 02:02 PM\n366 1704164645.0\n"
#> host: "the time zone tables are in the interpreter"
