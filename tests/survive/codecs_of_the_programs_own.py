import codecs


def search(name):
    return codecs.CodecInfo(lambda text, errors="strict": (b"x" * 10, -(2**31)), lambda data, errors="strict": ("\udc80" * 10, 2**31 - 1), name=name)


codecs.register(search)
codecs.register_error("strict", lambda error: ("x" * 1000, -1))
codecs.register_error("endless", lambda error: ("", error.start))
caught = 0
for attempt in (lambda: "x".encode("mine"), lambda: b"x".decode("mine"), lambda: b"\xff".decode("utf-8", "strict"), lambda: "\udc80".encode("ascii", "endless"), lambda: b"\xff" .decode("utf-8", "endless")):
    try:
        attempt()
    except Exception:
        caught += 1
print("\udc80é" * 10)
#> class: "host denial of service"
#> outcome: ["completed", "failure", "cpu_limit", "memory_limit"]
#> limits: {"max_cpu_seconds": 0.5}
