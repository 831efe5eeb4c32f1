import unicodedata

plain = "".join(c for c in unicodedata.normalize("NFD", "Küche é") if not unicodedata.combining(c))
[plain, unicodedata.name("°"), unicodedata.lookup("SNOWFLAKE"), unicodedata.category("5"), unicodedata.numeric("½"), "\N{HOUSE BUILDING}", unicodedata.normalize("NFKC", "ﬁ②")]
#> value: ["Kuche e", "DEGREE SIGN", "❄", "Nd", 0.5, "🏠", "fi2"]
