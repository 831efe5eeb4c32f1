import unicodedata

text = "ﷺ" * 200_000
len(unicodedata.normalize("NFKD", text)) + len("ß".upper() * 200_000) + len("\u0390" * 200_000)
#> class: "host denial of service"
#> outcome: ["completed"]
#> value: 4200000
