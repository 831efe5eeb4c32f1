import calendar

print(calendar.month(2025, 2))
[calendar.isleap(2024), calendar.monthrange(2024, 2), calendar.day_name[0], [week[calendar.FRIDAY] for week in calendar.monthcalendar(2025, 3)], calendar.timegm((2025, 1, 1, 0, 0, 0))]
#> value: [true, [3, 29], "Monday", [0, 7, 14, 21, 28, 0], 1735689600]
#> stdout: "   February 2025\nMo Tu We Th Fr Sa Su\n                1  2\n 3  4  5  6  7  8  9\n10 11 12 13 14 15 16\n17 18 19 20 21 22 23\n24 25 26 27 28\n\n"
