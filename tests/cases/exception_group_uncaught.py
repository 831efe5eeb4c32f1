errors = [ValueError("hall"), KeyError("attic")]
try:
    raise ExceptionGroup("readings", errors)
except* ValueError:
    print("one handled")
#> outcome: "failure"
#> error: "ExceptionGroup: readings (1 sub-exception)"
#> line: 3
#> stdout: "one handled\n"
