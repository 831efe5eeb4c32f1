import re

log = "07:15 hall=21.5C\n08:00 bath=23.0C\n09:30 attic=off"
pattern = r"(?P<hour>\d\d):(?P<minute>\d\d) (?P<room>\w+)=(?P<value>[\d.]+)C"
found = [(match["room"], float(match["value"])) for match in re.finditer(pattern, log)]
[
    found,
    re.search(r"(?<==)off$", log).span(),
    re.sub(r"(\w+)=", lambda match: match[1].title() + ": ", log).splitlines()[0],
    re.split(r"[\s=]+", "a = b  c"),
    re.findall(r"^\d+", log, re.MULTILINE),
    re.fullmatch(r"light\.\w+", "light.hall") is not None,
    re.sub(r"[äöü]", "?", "Tür ÖFFNEN", flags=re.IGNORECASE),
    re.match(pattern, log).groupdict()["minute"],
]
#> value: [[["hall", 21.5], ["bath", 23.0]], [46, 49], "07:15 Hall: 21.5C", ["a", "b", "c"], ["07", "08", "09"], true, "T?r ?FFNEN", "15"]
