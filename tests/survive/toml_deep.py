import tomllib

for text in ("a = " + "[" * 100_000, "a = " + "{a=" * 100_000, "[" + "a." * 50_000 + "a]"):
    try:
        tomllib.loads(text)
    except (RecursionError, tomllib.TOMLDecodeError):
        pass
#> class: "host denial of service"
#> outcome: ["completed", "failure", "memory_limit", "cpu_limit"]
