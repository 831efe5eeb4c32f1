"""CSV and dictionaries: a join of two tables."""

import csv
import io

devices = "\n".join(["id,area,model", *(f"{n},area {n % 12},model {n % 5}" for n in range(2_000))])
states = "\n".join(["device,state,seen", *(f"{n % 2_000},{n % 101},{n}" for n in range(10_000))])
by_id = {row["id"]: row for row in csv.DictReader(io.StringIO(devices))}
joined = [{**by_id[row["device"]], "state": int(row["state"])} for row in csv.DictReader(io.StringIO(states))]
areas = {}
for row in joined:
    areas[row["area"]] = areas.get(row["area"], 0) + row["state"]
out = io.StringIO()
csv.writer(out).writerows(sorted(areas.items()))
[len(joined), out.getvalue().splitlines()[0]]
