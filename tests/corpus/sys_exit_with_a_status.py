import sys


def validate(config):
    errors = [key for key in ("host", "port") if key not in config]
    if errors:
        print("missing:", ", ".join(errors), file=sys.stdout)
        return 2
    return 0


status = validate({"host": "db"})
print("status", status)
if status:
    sys.exit(status)
print("never")
#> stdout: "missing: port\nstatus 2\n"
#> outcome: "failure"
#> error: "SystemExit: 2"
