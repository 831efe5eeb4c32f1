# The library warns, at the program's line, that a day of a month without a year is ambiguous.
from datetime import datetime

datetime.strptime("Mar 14 06:25:01", "%b %d %H:%M:%S")
#> value: "1900-03-14T06:25:01"
#> stderr_contains: "main.py:4: DeprecationWarning: Parsing dates involving a day of month without a year"
#> host: "needs Python 3.13"
