def stop():
    raise SystemExit(3)


print("stopping")
stop()
#> outcome: "failure"
#> error: "SystemExit: 3"
#> line: 2
#> value: null
#> stdout: "stopping\n"
