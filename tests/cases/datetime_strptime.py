import time
from datetime import date, datetime

when = datetime.strptime("Sun 09.03.2025 07:05 +0100", "%a %d.%m.%Y %H:%M %z")
try:
    datetime.strptime("yesterday", "%Y")
except ValueError as error:
    print(error)
[when, time.strptime("7 Mar 2025", "%d %b %Y").tm_yday, datetime(2025, 3, 9).strftime("%d %b %y, %H:%M"), date(2025, 3, 9).strftime("week %V")]
#> value: ["2025-03-09T07:05:00+01:00", 66, "09 Mar 25, 00:00", "week 10"]
#> stdout: "time data 'yesterday' does not match format '%Y'\n"
