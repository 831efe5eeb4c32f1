import csv
import html
import io

rows = list(csv.reader(io.StringIO('"' * 100_000 + "\n" + "," * 100_000)))
len(html.unescape("&" * 100_000 + "&#x110000;" * 10_000)), len(rows)
#> class: "host denial of service"
#> outcome: ["completed", "failure"]
