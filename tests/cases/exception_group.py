def check(rooms):
    problems = [ValueError(f"{name}: {value}") for name, value in rooms.items() if value > 30]
    if problems:
        raise ExceptionGroup("implausible readings", problems + [TypeError("no unit")])


found = []
try:
    check({"hall": 21, "attic": 99, "roof": 50})
except* ValueError as group:
    found += [str(error) for error in group.exceptions]
except* (TypeError, KeyError) as group:
    found.append(type(group).__name__)
found
#> value: ["attic: 99", "roof: 50", "ExceptionGroup"]
