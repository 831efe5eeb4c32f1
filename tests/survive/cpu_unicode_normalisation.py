import unicodedata

text = "a" + "\u0315\u0300\u05ae" * 200_000
for form in ("NFC", "NFD", "NFKC", "NFKD") * 1000:
    unicodedata.normalize(form, text)
#> class: "host denial of service"
#> outcome: ["cpu_limit"]
#> limits: {"max_cpu_seconds": 0.5}
