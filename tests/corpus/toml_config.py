import tomllib

CONFIG = """
title = "Home"
[server]
host = "localhost"
ports = [8000, 8001]
started = 2024-05-01T10:00:00Z
[[room]]
name = "hall"
[[room]]
name = "bath"
degrees = 23.5
"""
data = tomllib.loads(CONFIG)
print(data["server"]["ports"], data["server"]["started"].year)
print([(room["name"], room.get("degrees")) for room in data["room"]])
try:
    tomllib.loads("key = ")
except tomllib.TOMLDecodeError as error:
    print(type(error).__name__)
#> stdout: "[8000, 8001] 2024\n[('hall', None), ('bath', 23.5)]\nTOMLDecodeError\n"
