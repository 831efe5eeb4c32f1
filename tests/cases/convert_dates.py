from datetime import date, datetime, time, timedelta, timezone

[
    datetime(2025, 3, 9, 7, 30),
    datetime(2025, 3, 9, 7, 30, 1, 500, tzinfo=timezone(timedelta(hours=1))),
    date(2025, 3, 9),
    time(7, 30),
    timedelta(hours=1, minutes=30),
    timedelta(milliseconds=-1500),
]
#> value: ["2025-03-09T07:30:00", "2025-03-09T07:30:01.000500+01:00", "2025-03-09", "07:30:00", 5400.0, -1.5]
#> repr: false
