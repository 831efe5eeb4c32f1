import numpy as np
from io import StringIO

csv_text = """# id,height,weight
1,1.72,68.5
2,1.65,59.0
3,1.80,82.3
4,1.58,
5,1.91,95.1
"""
data = np.genfromtxt(StringIO(csv_text), delimiter=",", filling_values=np.nan)
print(data)
mask = ~np.isnan(data).any(axis=1)
clean = data[mask]
bmi = clean[:, 2] / clean[:, 1] ** 2
for row, value in zip(clean, bmi):
    print(f"id={int(row[0])} bmi={value:.1f}")

people = np.array(
    [("Ann", 31, 55.5), ("Bob", 25, 80.25), ("Cid", 47, 71.0)],
    dtype=[("name", "U10"), ("age", "i4"), ("weight", "f8")],
)
print(np.sort(people, order="age")["name"])
print(people[people["age"] > 30])
out = StringIO()
np.savetxt(out, clean, fmt="%.2f", delimiter=";", header="id;h;w")
print(out.getvalue())
np.corrcoef(clean[:, 1], clean[:, 2]).round(4)
#> value: [[1.0, 0.9969], [0.9969, 1.0]]
#> stdout: "[[ 1.    1.72 68.5 ]\n [ 2.    1.65 59.  ]\n [ 3.    1.8  82.3 ]\n [ 4.    1.58   nan]\n [ 5.    1.91 95.1 ]]\nid=1 bmi=23.2\nid=2 bmi=21.7\nid=3 bmi=25.4\nid=5 bmi=26.1\n['Bob' 'Ann' 'Cid']\n[('Ann', 31, 55.5) ('Cid', 47, 71. )]\n# id;h;w\n1.00;1.72;68.50\n2.00;1.65;59.00\n3.00;1.80;82.30\n5.00;1.91;95.10\n\n"
#> host: "needs numpy"
