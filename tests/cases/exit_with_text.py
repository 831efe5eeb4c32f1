raise SystemExit("no sensors found")
#> outcome: "failure"
#> error: "SystemExit: no sensors found"
#> line: 1
