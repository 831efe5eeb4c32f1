import csv
import io

text = 'room,value,note\r\nhall,21.5,"warm, dry"\r\nbath,23,"said ""hot"""\r\n'
rows = list(csv.DictReader(io.StringIO(text)))
out = io.StringIO()
writer = csv.writer(out, delimiter=";", quoting=csv.QUOTE_MINIMAL, lineterminator="\n")
writer.writerow(["room", "mean"])
writer.writerows((row["room"], float(row["value"])) for row in rows)
[rows[1], out.getvalue(), csv.Sniffer().sniff("a|b|c\n1|2|3\n").delimiter]
#> value: [{"room": "bath", "value": "23", "note": "said \"hot\""}, "room;mean\nhall;21.5\nbath;23.0\n", "|"]
