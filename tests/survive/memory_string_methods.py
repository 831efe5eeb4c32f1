caught = 0
for attempt in (
    lambda: "x".ljust(10**9), lambda: "%1000000000d" % 1, lambda: "x".replace("", "y" * 10**6) * 1000, lambda: "\t".expandtabs(10**9),
    lambda: ",".join(["x" * 10**6] * 1000), lambda: bytes(10**9), lambda: ("x" * 10**6).translate({120: "y" * 1000}), lambda: "x" * -1 + "y" * 2**31,
):
    try:
        attempt()
    except (MemoryError, OverflowError):
        caught += 1
caught
#> class: "host denial of service"
#> outcome: ["completed"]
#> value: 8
