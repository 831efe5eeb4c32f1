import marshal

nested = ()
for _ in range(100_000):
    nested = (nested,)
caught = 0
for attempt in (lambda: marshal.dumps(nested), lambda: marshal.loads(b"(\x01\0\0\0" * 100_000), lambda: marshal.loads(b"(\xff\xff\xff\x7f"), lambda: marshal.loads(b"s\xff\xff\xff\x7f")):
    try:
        attempt()
    except Exception:
        caught += 1
caught
#> class: "host denial of service"
#> outcome: ["completed"]
#> value: 4
