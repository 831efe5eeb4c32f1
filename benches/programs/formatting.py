"""Lines made of numbers and names."""

lines = []
for n in range(40_000):
    name = f"sensor.room_{n % 40}"
    lines.append(f"{name:<20}|{n:>8,}|{n / 7:10.3f}|{n % 100:03d}|" + "-".join((name[:3], str(n), hex(n))))
table = "\n".join(lines)
[len(table), table.count("room_7"), lines[-1].split("|")[2].strip()]
