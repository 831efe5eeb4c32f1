# The results are those of glibc, not of the interpreter's C library.
import time
from datetime import date, datetime

at = datetime(2024, 3, 5, 7, 8, 9)
formats = "%l:%M %P|%k|%^b %^a|%#Z|%-d/%_m|%5Y|100% on %Y|%|%Q|%E|%10A|%s|%G-W%V|%c|%x %X|%+|%3%|%C %y|%r %R %T %D %F|%e%n%t."
[
    [at.strftime(each) for each in formats.split("|")],
    f"{at:%l %P}",
    f"{date(99, 1, 2):%Y %^B}",
    time.strftime("%k%", (2024, 1, 2, 3, 4, 5, 6, 7, 0)),
    at.strftime("\u00e9 %^b \u20ac %"),
]
#> value: [[" 7:08 am", " 7", "MAR TUE", "", "5/ 3", "02024", "100% on 2024", "%", "%Q", "%E", "   Tuesday", "1709622489", "2024-W10", "Tue Mar  5 07:08:09 2024", "03/05/24 07:08:09", "%+", "  %", "20 24", "07:08:09 AM 07:08 07:08:09 03/05/24 2024-03-05", " 5\n\t."], " 7 am", "99 JANUARY", " 3%", "é MAR € %"]
#> host: "the time zone is UTC, and the C library glibc's"
