"""Counts lamps."""

print(__doc__)
len(["hall", "bath"])
#> value: 2
#> stdout: "Counts lamps.\n"
