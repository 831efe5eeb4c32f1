import csv
import io
from collections import defaultdict
from statistics import mean, median

RAW = """date,city,temp
2024-01-01,Oslo,-4.5
2024-01-01,Rome,11
2024-01-02,Oslo,-7
2024-01-02,Rome,n/a
2024-01-03,Rome,13.5
"""
groups = defaultdict(list)
skipped = 0
for row in csv.DictReader(io.StringIO(RAW)):
    try:
        groups[row["city"]].append(float(row["temp"]))
    except ValueError:
        skipped += 1
out = io.StringIO()
writer = csv.writer(out, lineterminator="\n")
writer.writerow(["city", "n", "mean", "median"])
for city, temps in sorted(groups.items()):
    writer.writerow([city, len(temps), round(mean(temps), 2), median(temps)])
print(out.getvalue(), end="")
print("skipped", skipped)
#> stdout: "city,n,mean,median\nOslo,2,-5.75,-5.75\nRome,2,12.25,12.25\nskipped 1\n"
