import datetime

name, watts, day = "hall", 1234.5678, datetime.date(2025, 3, 9)
width = 12
[
    f"{name!r:>{width}}|",
    f"{watts:,.2f} {watts:.3e} {0.256:.1%} {255:#06x} {5:03d} {-7:+}",
    f"{day:%d.%m.%Y} {day.year % 100 = }",
    f"{{literal}} {'yes' if watts > 1000 else 'no':^7}|",
    "%s uses %05.1f W" % (name, watts),
    "{0[0]}-{1:>5}-{kind!s}".format([1], 2, kind="x"),
]
#> value: ["      'hall'|", "1,234.57 1.235e+03 25.6% 0x00ff 005 -7", "09.03.2025 day.year % 100 = 25", "{literal}   yes  |", "hall uses 1234.6 W", "1-    2-x"]
